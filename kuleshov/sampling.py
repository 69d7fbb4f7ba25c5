"""Which times of a video are looked at, and at what size: small pure functions."""

from __future__ import annotations

import math
from typing import NamedTuple

from kuleshov.sample import Frame, Video


class Clip(NamedTuple):
    """`num_frames` evenly spaced times: `first + i * step` for i = 0, 1, ..."""

    first: float
    step: float
    num_frames: int

    def seconds(self) -> list[float]:
        return [self.first + i * self.step for i in range(self.num_frames)]

    def frames(self, video: Video) -> tuple[Frame, ...]:
        """Recipe frames; the shown clock starts at 0."""
        return tuple(
            Frame(video.id, round(second, 6), round(i * self.step, 6))
            for i, second in enumerate(self.seconds())
        )


def uniform(start: float, end: float, num_frames: int) -> Clip:
    """Times in the middle of `num_frames` equal slots of [start, end).

    Middles and not edges: at an edge, rounding decides which of two frames is on screen.

        start                         end
        |     x     |     x     |     x     |     3 frames, step = (end - start) / 3
    """
    step = (end - start) / num_frames
    return Clip(start + step / 2, step, num_frames)


def uniform_in(video: Video, num_frames: int, trim: float) -> Clip:
    """`num_frames` evenly spaced times in the middle of a video.

    Args:
        video: where to look.
        num_frames: how many.
        trim: share of the duration left out at each end (VideoSSR: 0.05). Less is left out
            where the rest would hold fewer than `num_frames` different frames, so that a video
            of exactly `num_frames` frames shows each of them once.
    """
    share = min(1.0, max(1 - 2 * trim, num_frames / video.num_frames))
    margin = video.duration * (1 - share) / 2
    return uniform(video.start + margin, video.end - margin, num_frames)


def consecutive(whole: Clip, num_clips: int, trim: float) -> list[Clip]:
    """Equal clips, one after the other, that share the frames of a longer one.

    Args:
        whole: what is cut; `num_clips` must divide its number of frames.
        num_clips: how many.
        trim: share of each clip left out at each of its ends.
    """
    length = whole.num_frames // num_clips
    seconds = whole.step * length
    start, margin = whole.first - whole.step / 2, trim * seconds
    return [
        uniform(start + i * seconds + margin, start + (i + 1) * seconds - margin, length)
        for i in range(num_clips)
    ]


def too_short(video: Video, min_seconds: float, min_frames: int) -> str | None:
    """Why a video is too short, or None if it is long enough."""
    if video.duration < min_seconds:
        return f"{video.duration:.2f} s long, needs {min_seconds:g} s (knob min_seconds)"
    if video.num_frames < min_frames:
        return f"{video.num_frames} decodable frames, needs {min_frames} (knob min_frames)"
    return None


def fit_size(
    width: int, height: int, *, min_pixels: int, max_pixels: int, multiple: int
) -> tuple[int, int]:
    """(height, width) near the shape of a picture, with its area within limits.

    Both sides become multiples of `multiple`, so that the model's own processor has nothing
    left to resize. The upper limit is kept before the lower one, and one `multiple` is the
    least a side can be.

    >>> fit_size(1920, 1080, min_pixels=128 * 128, max_pixels=256 * 256, multiple=32)
    (192, 320)
    """
    area = width * height
    scale = math.sqrt(min(max(area, min_pixels), max_pixels) / area)
    rows, columns = (max(1, round(side * scale / multiple)) for side in (height, width))
    while rows * columns * multiple**2 > max_pixels and max(rows, columns) > 1:
        if rows > columns:
            rows -= 1
        else:
            columns -= 1
    return rows * multiple, columns * multiple


def decimals_for(step: float) -> int:
    """Decimals at which rounding a time is off by less than half a frame step.

    Rounding to d decimals is off by at most 10^-d / 2, which is below step / 2 once 10^-d < step.

    >>> decimals_for(0.5), decimals_for(0.1), decimals_for(0.047)
    (1, 2, 2)
    """
    return max(0, math.floor(-math.log10(step)) + 1)


def written(time: float, decimals: int | None) -> str:
    """A time with this many decimals, or with all that it has where it has more, or for None.

    >>> written(82.0, 0), written(3.3, 2), written(3.14, 1), written(82.0, None)
    ('82', '3.30', '3.14', '82.0')
    """
    rounded = decimals is not None and round(time, decimals) == time
    return f"{time:.{decimals}f}" if rounded else str(time)
