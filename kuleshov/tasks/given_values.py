"""Questions of a benchmark whose answers may be nearly right: a number, an interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum
from typing import ClassVar, Literal, final, get_args

import numpy as np

from kuleshov.errors import unknown_name
from kuleshov.item_scores import relative_accuracy
from kuleshov.sample import Json, Sample
from kuleshov.tasks import free_form
from kuleshov.tasks.anomaly import iou
from kuleshov.tasks.given import Given, answers_of

IOUS = (0.3, 0.5, 0.7)
"""Of R@1: the share of first intervals that overlap a true one by as much."""
_CANDIDATES = 100
_DRAWS = 200
NumberScore = Literal["relative", "exact"]


@final
@dataclass(frozen=True, kw_only=True)
class GivenNumber(Given):
    """A number. No prior is known, so a guess is no answer and chance is 0.

    Args:
        scored: "relative" is the mean relative accuracy of VSI-Bench, "exact" is for counts.
    """

    name: ClassVar[str] = "given_number"

    scored: NumberScore = "relative"

    def __post_init__(self) -> None:
        if self.scored not in get_args(NumberScore):
            raise unknown_name("score of given_number", self.scored, get_args(NumberScore))

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return None

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        return f"{answer:.15g}"

    def chance(self, sample: Sample, rng: np.random.Generator) -> float:
        return 0.0

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        return answers_of(samples)

    def parse(self, text: str, sample: Sample) -> Json:
        return free_form.number(text)

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        if self.scored == "exact":
            return {"total": float(answer == truth)}
        return {"total": relative_accuracy(answer, truth)}


@final
@dataclass(frozen=True, kw_only=True)
class GivenInterval(Given):
    """When something happens. The truth is a list of intervals, of which the nearest one counts.

    Args:
        duration: of the video, in seconds.
    """

    name: ClassVar[str] = "given_interval"
    answers_in_seconds: ClassVar[bool] = True
    right_from: ClassVar[float] = 0.5  # R@1 at IoU 0.5

    duration: float = 1.0

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        """Both ends anywhere in the video."""
        return [[round(float(t), 2) for t in sorted(rng.uniform(0, self.duration, 2))]]

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """True intervals, evenly many of them, and the whole video: the longest one in seconds, and
        all of each on a clock that counts its length as 1.
        """
        longest = max(float(sample.knobs["duration"]) for sample in samples)
        found = sorted({tuple(span) for sample in samples for span in sample.answer})
        step = max(1, len(found) // _CANDIDATES)
        return [[list(span)] for span in (*found[::step], (0.0, longest), (0.0, 1.0))]

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        start, end = answer[0]
        return f"{start:.15g} - {end:.15g}"

    def chance(self, sample: Sample, rng: np.random.Generator) -> float:
        """Mean reward of some guesses."""
        earned = [
            self.grade(self.guess(sample, rng), sample.answer)["total"] for _ in range(_DRAWS)
        ]
        return fsum(earned) / _DRAWS

    def parse(self, text: str, sample: Sample) -> Json:
        found = free_form.interval(text)
        return None if found is None else [found]

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        overlap = max(iou(answer[0], span) for span in truth)
        recalls = {f"r1_{least}": float(overlap >= least - 1e-9) for least in IOUS}
        return {"total": overlap, "iou": overlap, **recalls}
