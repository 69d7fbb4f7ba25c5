"""Is the video played forwards or backwards?

The arrow of time, as ViSS-R1 asks for it (arXiv 2511.13054): frames in the order of the video, or
in the reverse one, on the same clock.

    source   0   1   2   3   4          source   4   3   2   1   0
    shown    0   1   2   3   4          shown    0   1   2   3   4
    answer   forwards                   answer   backwards
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np

from kuleshov.errors import UsageError
from kuleshov.sample import Frame, Json, MediaItem, Sample, Skip, Video
from kuleshov.sampling import too_short, uniform_in
from kuleshov.tasks.choice import Choice
from kuleshov.tasks.task import Donors

FORWARDS, BACKWARDS = "forwards", "backwards"
YES_NO = {"yes": BACKWARDS, "no": FORWARDS}


@dataclass(frozen=True, kw_only=True)
class Arrow(Choice):
    """Forwards or backwards?

    `default` differs from `paper` in this:
        - reversed: half of the videos; with 0.55, "yes" alone earns more than a coin.
        - answers: two options in random order; a yes-no question has no order to draw, and a
          model may prefer one of the words.
        - trim: fades and titles at the ends have a direction, whatever happens between them.

    The number of frames (ViSS-R1: 16 to 32) and the prompt's wording are ours. Known leak: video
    codecs are not symmetric in time, as pictures get better or worse from key frame to key frame.
    Where nothing moves there is no right answer; recipes do not decode, so such videos stay.

    Args:
        reversed: share of the samples that are played backwards, in (0, 1).
        answers: "options", or "yes_no": whether it is played backwards.
        num_frames: frames shown, evenly spaced.
        trim: share of the video left out at each end.
        min_seconds: shorter videos are skipped (ours).
        min_frames: videos with fewer decodable frames are skipped.
    """

    name: ClassVar[str] = "arrow"
    about_order: ClassVar[bool] = True

    reversed: float = 0.5
    answers: Literal["options", "yes_no"] = "options"
    num_frames: int = 16
    trim: float = 0.05
    min_seconds: float = 2.0
    min_frames: int = 16

    def __post_init__(self) -> None:
        if not 0 < self.reversed < 1:
            raise UsageError(f"arrow: reversed is {self.reversed}; allowed: between 0 and 1")
        if self.answers not in ("options", "yes_no"):
            raise UsageError(f"arrow: answers is {self.answers!r}; allowed: options, yes_no")

    @classmethod
    def paper(cls) -> Self:
        return cls(reversed=0.55, answers="yes_no", trim=0.0, reading="exact")

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        if reason := too_short(video, self.min_seconds, self.min_frames):
            return Skip(video.path, reason, self.name)
        frames = uniform_in(video, self.num_frames, self.trim).frames(video)
        backwards = bool(rng.random() < self.reversed)
        sources = [frame.source_seconds for frame in frames]
        item = MediaItem(
            _played(frames, sources[::-1] if backwards else sources), *self.frame_size(video)
        )
        options = [BACKWARDS, FORWARDS] if backwards else [FORWARDS, BACKWARDS]
        chance = self.reversed if backwards else 1 - self.reversed
        if self.answers == "options":
            question = "<video>\nIn which direction is this video played?"
            sample = self.ask([video], [item], question, options, rng)
            return replace(sample, chance=chance)
        prompt = "<video>\nIs this video played backwards? Give yes or no."
        return self.sample([video], [item], prompt, "yes" if backwards else "no", chance)

    def options(self, sample: Sample) -> dict[str, str]:
        return YES_NO if self.answers == "yes_no" else super().options(sample)

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        drawn = BACKWARDS if rng.random() < self.reversed else FORWARDS
        return next(answer for answer, text in self.options(sample).items() if text == drawn)

    def switched_off(self, sample: Sample) -> Sample:
        """Forwards, whatever the answer says."""
        return self.versions(sample)[0]

    def versions(self, sample: Sample) -> tuple[Sample, ...]:
        """Forwards and backwards."""
        (item,) = sample.media
        sources = sorted(frame.source_seconds for frame in item.frames)
        return tuple(
            replace(sample, media=(replace(item, frames=_played(item.frames, order)),))
            for order in (sources, sources[::-1])
        )


def _played(frames: Sequence[Frame], sources: Sequence[float]) -> tuple[Frame, ...]:
    """The frames with other source times on the clock that they have."""
    return tuple(
        frame._replace(source_seconds=source) for frame, source in zip(frames, sources, strict=True)
    )
