"""What was done to the picture in one segment of the video?

ViSS-R1 (arXiv 2511.13054) asks by how much a whole video is rotated. Here one segment is turned,
among frames that are not, and the question is not when (see anomaly.py) but how.

    shown    0   1   2   3   4   5   6   7   8   9      frames
             .   .   .   #   #   #   #   .   .   .      # mirrored, upside down, ...
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from kuleshov.errors import UsageError, unknown_name
from kuleshov.sample import MediaItem, Sample, Skip, Video
from kuleshov.sampling import too_short, uniform_in
from kuleshov.tasks.choice import Choice
from kuleshov.tasks.task import Donors

# What the options say of each kind; the names are those of edits.py.
DESCRIPTIONS = {
    "flip": "it is flipped upside down, left and right stay",
    "mirror": "it is mirrored left to right",
    "rotate180": "it is rotated by 180 degrees",
    "rotate270": "it is rotated clockwise by 270 degrees",
    "rotate90": "it is rotated clockwise by 90 degrees",
}
QUESTION = "<video>\nIn one segment of this video the picture is changed. How?"


@dataclass(frozen=True, kw_only=True)
class Turned(Choice):
    """Which way was one segment turned?

    No paper turns a segment, so `default` and `paper` are the same; lengths are those of
    `anomaly`, the rest is ours. Every kind is as likely, and all of them are listed.

    Args:
        kinds: what can be done to the picture, two or more.
        num_frames: frames shown, evenly spaced.
        trim: share of the video left out at each end.
        min_segment: least length of the segment, in frames.
        max_segment: largest length of the segment, in frames.
        min_seconds: shorter videos are skipped.
        min_frames: videos with fewer decodable frames are skipped.
    """

    name: ClassVar[str] = "turned"

    kinds: tuple[str, ...] = tuple(DESCRIPTIONS)
    num_frames: int = 48
    trim: float = 0.05
    min_segment: int = 8
    max_segment: int = 16
    min_seconds: float = 2.0
    min_frames: int = 48

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in DESCRIPTIONS:
                raise unknown_name("turned kind", kind, DESCRIPTIONS)
        if len(set(self.kinds)) < max(2, len(self.kinds)):
            raise UsageError(f"turned: kinds are {list(self.kinds)}; need two or more, all other")
        if not 1 <= self.min_segment <= self.max_segment <= self.num_frames:
            raise UsageError(
                f"turned: segments of {self.min_segment} to {self.max_segment} frames do not fit "
                f"{self.num_frames} frames; need 1 <= min_segment <= max_segment <= num_frames"
            )

    @classmethod
    def paper(cls) -> Self:
        return cls(reading="exact")

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        if reason := too_short(video, self.min_seconds, self.min_frames):
            return Skip(video.path, reason, self.name)
        frames = uniform_in(video, self.num_frames, self.trim).frames(video)
        kind = self.kinds[rng.integers(len(self.kinds))]
        length = int(rng.integers(self.min_segment, self.max_segment + 1))
        start = int(rng.integers(0, self.num_frames - length + 1))
        edit = {"edit": kind, "start": start, "stop": start + length}
        others = [other for other in self.kinds if other != kind]
        return self.ask(
            [video],
            [MediaItem(frames, *self.frame_size(video), (edit,))],
            QUESTION,
            [DESCRIPTIONS[k] for k in (kind, *others)],
            rng,
        )

    def switched_off(self, sample: Sample) -> Sample:
        """An edit of the same segment that changes nothing."""
        return _edited(sample, "nothing")

    def versions(self, sample: Sample) -> tuple[Sample, ...]:
        """Every kind: a picture whose sides mirror each other looks the same after two of them."""
        return tuple(_edited(sample, kind) for kind in self.kinds)


def _edited(sample: Sample, kind: str) -> Sample:
    (item,) = sample.media
    (edit,) = item.edits
    return replace(sample, media=(replace(item, edits=({**edit, "edit": kind},)),))
