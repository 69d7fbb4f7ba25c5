"""In which order do the shuffled clips of this video belong?

Temporal Jigsaw of VideoSSR (arXiv 2511.06281, section 3.1.3 and `pretext_tasks/jigsaw.py`): equal
consecutive clips, each a `<video>` of its own, in random order.

    original    A   B   C   D
    shown as    C   A   D   B        (positions 1 2 3 4)
    answer      2   4   1   3        the k-th digit: where the k-th original clip is shown

Reward: 1 - displacement / floor(n^2 / 2), where the displacement sums over the clips how far each
one's position in the given order is from the true one (eq. 7 and 8); the reversed order earns 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import ClassVar, Self

import numpy as np

from kuleshov.errors import UsageError
from kuleshov.sample import Json, MediaItem, Sample, Skip, Video
from kuleshov.sampling import Clip, too_short, uniform, uniform_in
from kuleshov.tasks.task import Donors, Part, Task, Unit

PROMPT = (
    "{clips}These {n} clips of one video are in random order. In which order do they belong? Give "
    "{n} digits: the number of the clip that comes first, then that of the second, and so on, for "
    "example {example}."
)


@dataclass(frozen=True, kw_only=True)
class Jigsaw(Task):
    """Shuffled clips of a video, to be put in order.

    `default` differs from `paper` in this:
        - form: tagged; an answer without tags can be hit by accident.
        - clip_trim: the ends of each clip are left out; the last frame of a clip and the first
          of the next one are neighbours, and matching them orders the clips without looking at
          what happens (Visual Jigsaw trims for the same reason, with 0.1 in its code).

    Every order is equally likely, the true one included. The prompt's wording is ours. The
    published "hard" level is num_clips=8. Each clip's shown clock starts at 0.

    Args:
        num_clips: 2 to 9, so that a digit names a clip; must divide num_frames.
        num_frames: frames of all clips together, evenly spaced.
        trim: share of the video left out at each end.
        clip_trim: share of each clip left out at each of its ends.
        min_seconds: shorter videos are skipped (ours).
        min_frames: videos with fewer decodable frames are skipped.
    """

    name: ClassVar[str] = "jigsaw"
    LEVELS: ClassVar[dict[str, dict[str, Json]]] = {"easy": {}, "hard": {"num_clips": 8}}

    num_clips: int = 6
    num_frames: int = 48
    trim: float = 0.05
    clip_trim: float = 0.1
    min_seconds: float = 2.0
    min_frames: int = 48

    def __post_init__(self) -> None:
        if not 2 <= self.num_clips <= 9 or self.num_frames % self.num_clips:
            raise UsageError(
                f"jigsaw: num_clips is {self.num_clips} with {self.num_frames} frames; allowed: 2 "
                "to 9, dividing num_frames"
            )

    @classmethod
    def paper(cls) -> Self:
        return cls(form="direct", clip_trim=0.0)

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        if reason := too_short(video, self.min_seconds, self.min_frames):
            return Skip(video.path, reason, self.name)
        height, width = self.frame_size(video)
        shown = rng.permutation(self.num_clips).tolist()  # shown[position] = original clip
        originals = self._clips(video)
        media = [MediaItem(originals[i].frames(video), height, width) for i in shown]
        answer = [shown.index(k) + 1 for k in range(self.num_clips)]
        prompt = PROMPT.format(
            clips="".join(f"Clip {i}: <video>\n" for i in range(1, self.num_clips + 1)),
            n=self.num_clips,
            example=self.write(self._example()),
        )
        return self.sample([video], media, prompt, answer, chance=self._chance())

    def _clips(self, video: Video) -> list[Clip]:
        """The clips in their true order."""
        whole = uniform_in(video, self.num_frames, self.trim)
        start = whole.first - whole.step / 2
        length = self.num_frames // self.num_clips
        seconds = whole.step * length
        margin = self.clip_trim * seconds
        return [
            uniform(start + i * seconds + margin, start + (i + 1) * seconds - margin, length)
            for i in range(self.num_clips)
        ]

    def _example(self) -> list[int]:
        """A fixed order that moves every clip: odd numbers, then even ones, backwards."""
        numbers = range(1, self.num_clips + 1)
        return [*reversed(numbers[1::2]), *reversed(numbers[::2])]

    def _chance(self) -> float:
        # A random order displaces by (n^2 - 1) / 3 in the mean.
        n = self.num_clips
        return 1 - (n * n - 1) / 3 / (n * n // 2)

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return (rng.permutation(self.num_clips) + 1).tolist()

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """Every order of up to 7 clips; of more, the true ones of the set."""
        orders = permutations(range(1, self.num_clips + 1))
        if self.num_clips <= 7:
            return [list(order) for order in orders]
        return [sample.answer for sample in samples]

    def units(self, sample: Sample) -> list[Unit]:
        """Does the one clip directly follow the other?"""
        whole = [Part(i, 0, len(item.frames)) for i, item in enumerate(sample.media)]
        place = {position - 1: k for k, position in enumerate(sample.answer)}
        return [
            Unit((whole[a], whole[b]), place[b] == place[a] + 1)
            for a, b in permutations(range(len(whole)), 2)
        ]

    def switched_off(self, sample: Sample) -> Sample:
        """The clips in their true order, under the numbers that they had in another one."""
        return replace(sample, media=tuple(sample.media[i - 1] for i in sample.answer))

    def write(self, answer: Json) -> str:
        return "".join(map(str, answer))

    def parse(self, text: str, sample: Sample) -> Json:
        if not re.fullmatch(r"\d+", text, re.ASCII):
            return None
        order = [int(digit) for digit in text]
        return order if sorted(order) == list(range(1, self.num_clips + 1)) else None

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        n = len(truth)
        displacement = sum(abs(answer.index(clip) - truth.index(clip)) for clip in truth)
        return {
            "exact": float(answer == truth),
            "total": 1 - displacement / (n * n // 2),
        }
