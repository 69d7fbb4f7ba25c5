"""When does something suddenly appear, or disappear?

Sudden appearance and disappearance are two of the inconsistencies that the benchmark VANE-Bench
(arXiv 2406.10326) asks about; here a drawn shape does it.

    frame    0   1   2   3   4   5   6   7
             .   .   .   O   O   O   O   O       it appears at frame 3
             O   O   O   O   O   .   .   .       it disappears at frame 5
    answer                                       that frame's time on the shown clock

Reward (ours): max(0, 1 - |given - true| / tolerance).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import fsum, inf, isfinite
from typing import ClassVar, Self

import numpy as np

from kuleshov.errors import UsageError
from kuleshov.sample import Json, MediaItem, Sample, Skip, Video
from kuleshov.sampling import Clip, decimals_for, written
from kuleshov.tasks.counting import SHAPES
from kuleshov.tasks.task import Donors, Part, Task, Unit

PROMPT = (
    "<video>\nA {shape} that does not belong to this video suddenly {event}. When? Give the time "
    "in seconds with {decimals}, for example {example}."
)
_SECONDS = re.compile(r"\d++(?:\.\d++)?+", re.ASCII)  # possessive: nothing is tried twice


@dataclass(frozen=True, kw_only=True)
class Appearance(Task):
    """A shape that is there from one frame on, or until one frame.

    VANE-Bench is no pretext task and publishes no form of one, so `default` and `paper` are the
    same, and all values are ours. The shape glides on a straight line over the whole clip, of
    which only the part is seen on which it is there: neither its place nor a jump tells the
    time. The frames are a window of the video at a fixed rate, so that `tolerance` means the
    same in every video.

    Args:
        num_frames: frames shown.
        fps: frames for each second.
        trim: share of the video left out at each end.
        margin: frames at least before and after the change.
        tolerance: seconds by which a time may be wrong until it earns nothing.
        size: range of the shape's side or diameter, as a share of the frame's shorter side.
        color: range of each of red, green and blue.
    """

    name: ClassVar[str] = "appearance"
    right_from: ClassVar[float] = 0.5  # half of the tolerance
    timed: ClassVar[bool] = True
    answers_in_seconds: ClassVar[bool] = True

    num_frames: int = 32
    fps: float = 4.0
    trim: float = 0.05
    margin: int = 4
    tolerance: float = 1.0
    size: tuple[float, float] = (0.15, 0.3)
    color: tuple[int, int] = (50, 255)

    def __post_init__(self) -> None:
        if not 1 <= self.margin <= self.num_frames - self.margin or self.tolerance <= 0:
            raise UsageError(
                f"appearance: margin is {self.margin} of {self.num_frames} frames, tolerance "
                f"{self.tolerance}; need 1 <= margin <= num_frames / 2 and a tolerance above 0"
            )

    @classmethod
    def paper(cls) -> Self:
        return cls()

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        seconds = self.num_frames / self.fps
        spare = video.duration * (1 - 2 * self.trim) - seconds
        if spare < 0:
            reason = (
                f"{video.duration:.2f} s long, needs {seconds / (1 - 2 * self.trim):.2f} s (knobs "
                "num_frames, fps and trim)"
            )
            return Skip(video.path, reason, self.name)
        if video.num_frames < self.fps * video.duration:
            rate = video.num_frames / video.duration
            reason = f"{rate:.2f} frames a second, needs {self.fps:g} (knob fps)"
            return Skip(video.path, reason, self.name)
        start = video.start + self.trim * video.duration + rng.uniform(0, spare)
        frames = Clip(start + 0.5 / self.fps, 1 / self.fps, self.num_frames).frames(video)
        change = self._draw(rng)
        appears = bool(rng.integers(2))
        there = range(change, self.num_frames) if appears else range(change)
        shape = SHAPES[rng.integers(len(SHAPES))]
        answer = self._seconds(change)
        decimals = decimals_for(1 / self.fps)
        prompt = PROMPT.format(
            shape=shape,
            event="appears" if appears else "disappears",
            decimals="1 decimal" if decimals == 1 else f"{decimals} decimals",
            example=f"{2.5:.{decimals}f}",
        )
        item = MediaItem(frames, *self.frame_size(video), self._glide(shape, there, rng))
        return self.sample([video], [item], prompt, answer, self._chance(answer))

    def _glide(
        self, shape: str, there: range, rng: np.random.Generator
    ) -> tuple[dict[str, Json], ...]:
        """The shape on its way from one place to another, on the frames on which it is there."""
        (x, y), (to_x, to_y) = rng.uniform(0.2, 0.8, size=(2, 2)).tolist()
        look = {
            "shape": shape,
            "size": round(float(rng.uniform(*self.size)), 4),
            "angle": round(float(rng.uniform(0, 360)), 1),
            "color": rng.integers(self.color[0], self.color[1] + 1, size=3).tolist(),
        }
        return tuple(
            {
                "edit": "shape",
                "start": i,
                "stop": i + 1,
                "x": round(x + (to_x - x) * i / self.num_frames, 4),
                "y": round(y + (to_y - y) * i / self.num_frames, 4),
                **look,
            }
            for i in there
        )

    def _draw(self, rng: np.random.Generator) -> int:
        """The first frame after the change."""
        return int(rng.integers(self.margin, self.num_frames - self.margin + 1))

    def _seconds(self, frame: int) -> float:
        return round(frame / self.fps, decimals_for(1 / self.fps))

    def _times(self) -> list[float]:
        """All times that can be true, each as likely."""
        last = self.num_frames - self.margin
        return [self._seconds(frame) for frame in range(self.margin, last + 1)]

    def _chance(self, truth: float) -> float:
        times = self._times()
        return fsum(closeness(time, truth, self.tolerance) for time in times) / len(times)

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return self._seconds(self._draw(rng))

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """All true ones, at most 200, between which an answer earns no more."""
        step = max(1, len(samples) // 200)
        return sorted({sample.answer for sample in samples[::step]})

    def units(self, sample: Sample) -> list[Unit]:
        """Does it happen between these two frames?"""
        (item,) = sample.media
        return [
            Unit((Part(0, i - 1, i + 1),), self._seconds(i) == sample.answer)
            for i in range(1, len(item.frames))
        ]

    def switched_off(self, sample: Sample) -> Sample:
        """The same shapes of size 0."""
        (item,) = sample.media
        edits = tuple({**edit, "size": 0.0} for edit in item.edits)
        return replace(sample, media=(replace(item, edits=edits),))

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        return written(answer, decimals_for(1 / self.fps))

    def parse(self, text: str, sample: Sample) -> Json:
        seconds = float(text) if _SECONDS.fullmatch(text) else inf
        return seconds if isfinite(seconds) else None

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        return {"total": closeness(answer, truth, self.tolerance)}


def closeness(given: float, true: float, tolerance: float) -> float:
    """1 for the true time, falling evenly to 0 at `tolerance` seconds from it.

    >>> closeness(2.0, 2.5, 1.0), closeness(4.0, 2.5, 1.0)
    (0.5, 0.0)
    """
    return max(0.0, 1 - abs(given - true) / tolerance)
