"""In which order do the shuffled clips of this video belong?

Temporal Jigsaw of VideoSSR (arXiv 2511.06281, section 3.1.3 and `pretext_tasks/jigsaw.py`): equal
consecutive clips, each a `<video>` of its own, in random order.

    original    A   B   C   D
    shown as    C   A   D   B        (positions 1 2 3 4)
    answer      2   4   1   3        the k-th digit: where the k-th original clip is shown

Reward: 1 - displacement / floor(n^2 / 2), where the displacement sums over the clips how far each
one's position in the given order is from the true one (eq. 7 and 8); the reversed order earns 0.
Strict: 1 for the exact order only. Positions: Visual Jigsaw's partial credit (arXiv 2509.25190).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import factorial, fsum
from typing import ClassVar, Literal, Self, get_args

import numpy as np

from kuleshov.errors import UsageError, unknown_name
from kuleshov.sample import Json, MediaItem, Sample, Skip, Video
from kuleshov.sampling import Clip, too_short, uniform, uniform_in
from kuleshov.tasks.task import Donors, Part, Task, Unit

Variant = Literal["smooth", "strict", "positions"]
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
        reward: "smooth" (as above), "strict" (1 for the exact order, else 0: the paper's
            ablation) or "positions" (1 for the exact order, else `discount` times the share of
            right digits: Visual Jigsaw).
        discount: what "positions" pays for a part of the order, at most (Visual Jigsaw: gamma =
            0.2).
        min_seconds: shorter videos are skipped (ours).
        min_frames: videos with fewer decodable frames are skipped.
    """

    name: ClassVar[str] = "jigsaw"
    about_order: ClassVar[bool] = True
    LEVELS: ClassVar[dict[str, dict[str, Json]]] = {"easy": {}, "hard": {"num_clips": 8}}

    num_clips: int = 6
    num_frames: int = 48
    trim: float = 0.05
    clip_trim: float = 0.1
    reward: Variant = "smooth"
    discount: float = 0.2
    min_seconds: float = 2.0
    min_frames: int = 48

    def __post_init__(self) -> None:
        if not 2 <= self.num_clips <= 9 or self.num_frames % self.num_clips:
            raise UsageError(
                f"jigsaw: num_clips is {self.num_clips} with {self.num_frames} frames; allowed: 2 "
                "to 9, dividing num_frames"
            )
        if self.reward not in get_args(Variant):
            raise unknown_name("reward of jigsaw", self.reward, get_args(Variant))
        if not 0 <= self.discount <= 1:
            raise UsageError(f"jigsaw: discount is {self.discount}; allowed: 0 to 1")

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
        # Of n! orders one is exact; a random one displaces by (n^2 - 1) / 3 in the mean and has
        # one of n clips at its place.
        n = self.num_clips
        exact = 1 / factorial(n)
        return {
            "smooth": 1 - (n * n - 1) / 3 / (n * n // 2),
            "strict": exact,
            "positions": exact + self.discount * (1 / n - exact),
        }[self.reward]

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return (rng.permutation(self.num_clips) + 1).tolist()

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """The most frequent true orders, and the one with the most partial credit.

        The best of all orders is among them: an order that is never exact earns partial credit
        only. (1,000 orders are all there are of up to 6 clips; of more, few come twice.)
        """
        truths = Counter(tuple(sample.answer) for sample in samples)
        frequent = [list(order) for order, _ in truths.most_common(1000)]
        return [*frequent, self._best_partial(truths)]

    def _best_partial(self, truths: Counter[tuple[int, ...]]) -> list[int]:
        """The order with the most partial credit, found place by place.

        What is lost is a sum over places, so of two orders of the same clips at the first places
        only the better one can be part of the best: at most 2^9 are kept.
        """
        clips = range(1, self.num_clips + 1)
        kept: dict[frozenset[int], tuple[float, list[int]]] = {frozenset(): (0.0, [])}
        for place in range(self.num_clips):
            lost = {
                clip: fsum(n * self._miss(place, truth.index(clip)) for truth, n in truths.items())
                for clip in clips
            }
            longer: dict[frozenset[int], tuple[float, list[int]]] = {}
            for placed, (total, order) in kept.items():
                for clip in set(clips) - placed:
                    option = (total + lost[clip], [*order, clip])
                    key = placed | {clip}
                    longer[key] = min(option, longer.get(key, option))
            kept = longer
        return kept[frozenset(clips)][1]

    def _miss(self, place: int, true: int) -> int:
        """What a clip at a place costs."""
        return int(place != true) if self.reward == "positions" else abs(place - true)

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

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        return "".join(map(str, answer))

    def parse(self, text: str, sample: Sample) -> Json:
        if not (len(text) == self.num_clips and text.isascii() and text.isdecimal()):
            return None
        order = [int(digit) for digit in text]
        return order if sorted(order) == list(range(1, self.num_clips + 1)) else None

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        n = len(truth)
        exact = float(answer == truth)
        displacement = sum(abs(answer.index(clip) - truth.index(clip)) for clip in truth)
        right = sum(given == true for given, true in zip(answer, truth, strict=True))
        totals = {
            "smooth": 1 - displacement / (n * n // 2),
            "strict": exact,
            "positions": max(exact, self.discount * right / n),
        }
        return {"exact": exact, "total": totals[self.reward]}
