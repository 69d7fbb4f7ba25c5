"""Questions of a benchmark whose answers are texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from kuleshov.errors import UsageError
from kuleshov.item_scores import rouge_l, rouge_n
from kuleshov.sample import Json, Sample
from kuleshov.tasks import free_form
from kuleshov.tasks.given import Given
from kuleshov.tasks.labelled import plain


@final
@dataclass(frozen=True, kw_only=True)
class GivenText(Given):
    """A text; the truth is a list of those that are right.

    Args:
        judged: a judge tells what is right (evaluate/judge.py); else texts are compared without
            case, marks and extra spaces.
    """

    name: ClassVar[str] = "given_text"

    judged: bool = False

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return None

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """All answers of the set; none where a judge would have to be asked."""
        return [] if self.judged else sorted({sample.answer[0] for sample in samples})

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        return str(answer if isinstance(answer, str) else answer[0])

    def chance(self, sample: Sample, rng: np.random.Generator) -> float:
        return 0.0

    def parse(self, text: str, sample: Sample) -> Json:
        said = free_form.final(text)
        return said if plain(said) else None

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        if self.judged:
            raise UsageError(
                "given_text: this answer is for a judge to grade, and there is none; name one "
                "as eval.judge in a recipe, or import the benchmark without --judged"
            )
        return {"total": float(plain(answer) in map(plain, truth))}


@final
@dataclass(frozen=True, kw_only=True)
class GivenCaption(Given):
    """A long description. Chance is taken to be 0, and no constant is tried."""

    name: ClassVar[str] = "given_caption"

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return None

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        return []

    def chance(self, sample: Sample, rng: np.random.Generator) -> float:
        return 0.0

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        return str(answer)

    def parse(self, text: str, sample: Sample) -> Json:
        said = free_form.final(text)
        return said if plain(said) else None

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        figures = {f"rouge_{n}_unstemmed": rouge_n(answer, truth, n) for n in (1, 2)}
        longest = rouge_l(answer, truth)
        return {"total": longest, **figures, "rouge_l_unstemmed": longest}
