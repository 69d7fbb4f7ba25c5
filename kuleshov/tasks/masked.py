"""Which of these candidates are the hidden frames, in order?

Masked Video Prediction of MVP (arXiv 2601.03781). The paper's text beyond the abstract and two
reviews of it could not be had: what is ours is said where the choice is made.

    key frames    1   2   3   4   5   6   7   8
    shown         1   2   #   #   #   6   7   8      # grey
    candidates    A=5  B=(1.5)  C=3  D=(7.5)  E=4    the hidden ones and as many distractors
    answer        3,5,1                              C, E, A

Reward (form ours): 1 for the exact sequence, else `discount` times a mix of selection (how many
are right) and order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, permutations
from math import perm
from typing import ClassVar, Literal, Self

import numpy as np

from kuleshov.errors import UsageError
from kuleshov.features import Vectors, embedder, features
from kuleshov.sample import Frame, Json, MediaItem, Sample, Skip, Video
from kuleshov.tasks.task import Donors, Part, Task, Unit

Order = Literal["position", "prefix", "lcs", "pairs"]
PROMPT = (
    "<video>\nThe grey frames hide {k} frames of this video.\n{candidates}Which candidates are "
    "the hidden frames? Give their {k} numbers in order of time, for example {example}."
)


@dataclass(frozen=True, kw_only=True)
class Masked(Task):
    """A hidden run of key frames, to be picked out of shuffled candidates, in order.

    No published form is known that gives the answer away, so `default` and `paper` are the
    same. The paper embeds with CLIP; `thumbnail` (ours) needs no weights. Its values for the
    number of frames, targets and distractors and for the threshold are not known: those here
    are ours, and so is the prompt. Distractors are frames between key frames outside of the
    hidden run, unlike every target; one that could fill the gap would be a second right answer.

    Args:
        fps: frames looked at for each second (MVP: 1), from a random start.
        num_frames: key frames at most (MVP: N); a frame is one if it differs from the last.
        min_frames: fewer key frames than this are a skip (ours).
        max_similarity: cosine above which two frames count as the same (MVP: kappa).
        num_targets: hidden key frames (MVP: K).
        num_distractors: MVP: l.
        neighborhood: how many key frames away from the hidden run distractors may be.
        embedder: name in `kuleshov.features.EMBEDDERS`.
        discount: what a sequence that is not exact can earn at most.
        selection_weight: share of selection in that, the rest is order.
        order: "position" (right at the right place), "prefix" (right from the start),
            "lcs" (longest common subsequence) or "pairs" (pairs in the right order).
    """

    name: ClassVar[str] = "masked"

    fps: float = 1.0
    num_frames: int = 16
    min_frames: int = 8
    max_similarity: float = 0.95
    num_targets: int = 3
    num_distractors: int = 3
    neighborhood: int = 8
    embedder: str = "thumbnail"
    discount: float = 0.5
    selection_weight: float = 0.5
    order: Order = "position"

    def __post_init__(self) -> None:
        even = self.min_frames % 2 == 0 == self.num_frames % 2
        if not (even and 3 <= self.num_targets + 2 <= self.min_frames <= self.num_frames):
            raise UsageError(
                f"masked: num_targets {self.num_targets}, min_frames {self.min_frames}, num_frames "
                f"{self.num_frames}; need num_targets >= 1, and even numbers with num_targets + 2 "
                "<= min_frames <= num_frames, so that a frame stays on both sides"
            )
        embedder(self.embedder)

    @classmethod
    def paper(cls) -> Self:
        return cls()

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        least = (self.min_frames - 1) / self.fps
        if video.duration < least:
            reason = f"{video.duration:.2f} s long, needs {least:g} s (knobs min_frames and fps)"
            return Skip(video.path, reason, self.name)
        # Every half step: key frames come from whole steps, distractors from anywhere.
        start = video.start + rng.uniform(0, min(1 / self.fps, video.duration - least))
        seconds = np.arange(start, video.end, 0.5 / self.fps).tolist()
        alike = _similarity(features(video, seconds, self.embedder))
        keys = self._key_frames(alike)
        if len(keys) < self.min_frames:
            reason = (
                f"different frames at {self.fps:g} fps: {len(keys)}, needs {self.min_frames} "
                "(knobs min_frames and max_similarity)"
            )
            return Skip(video.path, reason, self.name)
        keys = keys[: len(keys) // 2 * 2]  # video models merge frames in pairs
        # A hidden run needs a frame on both sides, and distractors that cannot fill the gap.
        for first in (1 + rng.permutation(len(keys) - self.num_targets - 1)).tolist():
            targets = keys[first : first + self.num_targets]
            distractors = self._distractors(keys, first, alike, rng)
            if self._distinct(targets, alike) and len(distractors) == self.num_distractors:
                return self._question(video, seconds, keys, first, distractors, rng)
        reason = f"no run of {self.num_targets} frames with {self.num_distractors} unlike it"
        return Skip(video.path, reason, self.name)

    def _key_frames(self, alike: Vectors) -> list[int]:
        """Indices of the whole steps that differ from the last key frame (greedy, as in MVP)."""
        keys = [0]
        for index in range(2, len(alike), 2):
            if len(keys) == self.num_frames:
                break
            if alike[index, keys[-1]] <= self.max_similarity:
                keys.append(index)
        return keys

    def _distractors(
        self, keys: list[int], first: int, alike: Vectors, rng: np.random.Generator
    ) -> list[int]:
        last = first + self.num_targets
        low = keys[max(0, first - 1 - self.neighborhood)]
        high = keys[min(len(keys) - 1, last + self.neighborhood)]
        outside = [*range(low, keys[first - 1]), *range(keys[last] + 1, high)]
        chosen: list[int] = []
        for index in rng.permutation(sorted(set(outside) - set(keys))).tolist():
            others = [*keys[first:last], *chosen]
            if all(alike[index, other] <= self.max_similarity for other in others):
                chosen.append(index)
            if len(chosen) == self.num_distractors:
                break
        return chosen

    def _distinct(self, indices: list[int], alike: Vectors) -> bool:
        return all(alike[a, b] <= self.max_similarity for a, b in combinations(indices, 2))

    def _question(
        self,
        video: Video,
        seconds: list[float],
        keys: list[int],
        first: int,
        distractors: list[int],
        rng: np.random.Generator,
    ) -> Sample:
        height, width = self.frame_size(video)
        targets = keys[first : first + self.num_targets]
        pool = rng.permutation([*targets, *distractors]).tolist()
        source = [round(second, 6) for second in seconds]
        shown = [round(seconds[key] - seconds[keys[0]], 6) for key in keys]
        context = MediaItem(
            tuple(Frame(video.id, source[k], s) for k, s in zip(keys, shown, strict=True)),
            height,
            width,
            ({"edit": "grey", "start": first, "stop": first + self.num_targets},),
        )
        # A still is a video of two equal frames.
        stills = [MediaItem((Frame(video.id, source[i], 0.0),) * 2, height, width) for i in pool]
        prompt = PROMPT.format(
            k=self.num_targets,
            candidates="".join(f"Candidate {i}: <video>\n" for i in range(1, len(pool) + 1)),
            example=self.write(
                [*range(len(pool), 0, -2), *range(1, len(pool))][: self.num_targets]
            ),
        )
        answer = [pool.index(target) + 1 for target in targets]
        return self.sample(
            [video],
            [context, *stills],
            prompt,
            answer,
            chance=_chance(self, len(pool)),
        )

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return (rng.permutation(len(sample.media) - 1)[: self.num_targets] + 1).tolist()

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """Every sequence, or the true ones of the set where there are too many."""
        pool = len(samples[0].media) - 1
        if perm(pool, self.num_targets) > 5040:
            return [sample.answer for sample in samples]
        return [list(order) for order in permutations(range(1, pool + 1), self.num_targets)]

    def units(self, sample: Sample) -> list[Unit]:
        """Is this candidate one of the hidden frames?"""
        return [
            Unit((Part(i, 0, len(item.frames)),), i in sample.answer)
            for i, item in enumerate(sample.media[1:], 1)
        ]

    def switched_off(self, sample: Sample) -> Sample:
        """The same candidates for a video that shows nothing."""
        context, *stills = sample.media
        return replace(sample, media=(context.edited({"edit": "grey"}), *stills))

    def write(self, answer: Json) -> str:
        return ",".join(map(str, answer))

    def parse(self, text: str, sample: Sample) -> Json:
        if not re.fullmatch(r"\d+(\s*,\s*\d+)*", text, re.ASCII):
            return None
        numbers = [int(number) for number in text.split(",")]
        pool = range(1, len(sample.media))
        valid = len(numbers) == len(set(numbers)) == self.num_targets
        return numbers if valid and all(number in pool for number in numbers) else None

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        selection = len(set(answer) & set(truth)) / len(truth)
        order = ORDERS[self.order](answer, truth)
        mix = self.selection_weight * selection + (1 - self.selection_weight) * order
        exact = float(answer == truth)
        total = 1.0 if exact else self.discount * mix
        return {"selection": selection, "order": order, "exact": exact, "total": total}


def _position(answer: Sequence[int], truth: Sequence[int]) -> float:
    return sum(a == b for a, b in zip(answer, truth, strict=True)) / len(truth)


def _prefix(answer: Sequence[int], truth: Sequence[int]) -> float:
    agree = [a == b for a, b in zip(answer, truth, strict=True)]
    return (agree.index(False) if False in agree else len(agree)) / len(truth)


def _lcs(answer: Sequence[int], truth: Sequence[int]) -> float:
    # Distinct numbers: the longest common subsequence is the longest increasing run of places.
    places = [truth.index(number) for number in answer if number in truth]
    longest: list[int] = []
    for i, place in enumerate(places):
        longest.append(1 + max((longest[j] for j in range(i) if places[j] < place), default=0))
    return max(longest, default=0) / len(truth)


def _pairs(answer: Sequence[int], truth: Sequence[int]) -> float:
    places = [truth.index(number) for number in answer if number in truth]
    in_order = sum(a < b for a, b in combinations(places, 2))
    pairs = len(truth) * (len(truth) - 1) // 2
    return in_order / pairs if pairs else _position(answer, truth)


ORDERS = {"position": _position, "prefix": _prefix, "lcs": _lcs, "pairs": _pairs}
"""Order rewards of a sequence of K numbers, 1 for the truth; a missing number is out of order."""


@lru_cache(maxsize=64)
def _chance(task: Masked, pool: int) -> float:
    """Mean reward over all sequences; the same for every truth, by symmetry."""
    truth = list(range(task.num_targets))
    sequences = permutations(range(pool), task.num_targets)
    return sum(task.grade(list(s), truth)["total"] for s in sequences) / perm(
        pool, task.num_targets
    )


def _similarity(vectors: Vectors) -> Vectors:
    return vectors @ vectors.T
