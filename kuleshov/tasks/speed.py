"""At which speed is the video played?

The pretext task of SpeedNet (arXiv 2004.06130) and of pace prediction (arXiv 2008.05861) as a
question: the same number of frames on the same clock, taken from the source at other distances.

    source   0 . . . . . . . . . . . . . . . .
    0.5x               0 1 2 3                     distances of 1, 2 and 4 source frames; the
    1x             0   1   2   3                   third shown frame is the same for all
    2x     0       1       2       3
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from kuleshov.errors import UsageError
from kuleshov.sample import Frame, MediaItem, Sample, Skip, Video
from kuleshov.tasks.choice import Choice
from kuleshov.tasks.task import Donors

QUESTION = "<video>\nAt which speed is this video played? 1x is its natural speed."


@dataclass(frozen=True, kw_only=True)
class Speed(Choice):
    """How many times faster than life?

    The published forms classify with a head of their own and ask nothing, so `default` and `paper`
    are the same, and all values are ours. What could give the speed away, and does not: the
    shown clock and the number of frames are the same for all speeds; the part that is shown is
    drawn as if for the fastest one, so its middle is where any other speed's would be; the
    distances are whole numbers of source frames, so no speed stutters; and the slowest one
    repeats no frame. A source that repeats frames itself does stutter; recipes do not decode,
    so such videos stay.

    Args:
        factors: the speeds to choose among, each as likely; with 1, and whole multiples of the
            slowest one.
        fps: frames shown for each second at natural speed, as near as whole source frames allow.
        num_frames: frames shown, evenly spaced.
        trim: share of the video left out at each end.
    """

    name: ClassVar[str] = "speed"

    factors: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    fps: float = 8.0
    num_frames: int = 16
    trim: float = 0.05

    def __post_init__(self) -> None:
        slowest = min(self.factors, default=0)
        multiples = slowest > 0 and all((f / slowest) % 1 == 0 for f in self.factors)
        if not multiples or 1 not in self.factors or len(set(self.factors)) < 2:
            raise UsageError(
                f"speed: factors are {list(self.factors)}; need two or more different ones, with "
                "1, all whole multiples of the smallest"
            )

    @classmethod
    def paper(cls) -> Self:
        return cls(reading="exact")

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        interval = video.duration / video.num_frames
        slowest = min(self.factors)
        # Source frames from one shown frame to the next.
        unit = max(1, round(slowest / (self.fps * interval)))
        strides = [round(unit * factor / slowest) for factor in self.factors]
        before = self.num_frames // 2
        after = self.num_frames - 1 - before
        margin = math.ceil(self.trim * video.num_frames)
        low = margin + before * max(strides)
        high = video.num_frames - margin - 1 - after * max(strides)
        if high < low:
            needed = (self.num_frames - 1) * max(strides) + 1
            reason = (
                f"{max(0, video.num_frames - 2 * margin)} frames between the ends, needs {needed} "
                "(knobs factors, fps, num_frames and trim)"
            )
            return Skip(video.path, reason, self.name)
        middle = int(rng.integers(low, high + 1))
        chosen = int(rng.integers(len(self.factors)))
        step = unit * interval / slowest
        frames = tuple(
            Frame(
                video.id,
                round(video.start + (middle + (i - before) * strides[chosen] + 0.5) * interval, 6),
                round(i * step, 6),
            )
            for i in range(self.num_frames)
        )
        others = [factor for factor in self.factors if factor != self.factors[chosen]]
        return self.ask(
            [video],
            [MediaItem(frames, *self.frame_size(video))],
            QUESTION,
            [f"{factor:g}x" for factor in (self.factors[chosen], *others)],
            rng,
        )

    def switched_off(self, sample: Sample) -> Sample:
        """Natural speed, whatever the answer says."""
        return self._played(sample, 1.0)

    def versions(self, sample: Sample) -> tuple[Sample, ...]:
        """Every speed, around the frame that all of them share."""
        return tuple(self._played(sample, factor) for factor in self.factors)

    def _played(self, sample: Sample, factor: float) -> Sample:
        (item,) = sample.media
        ratio = factor / float(self.right(sample).removesuffix("x"))
        middle = item.frames[self.num_frames // 2].source_seconds
        frames = tuple(
            frame._replace(
                source_seconds=round(middle + (frame.source_seconds - middle) * ratio, 6)
            )
            for frame in item.frames
        )
        return replace(sample, media=(replace(item, frames=frames),))
