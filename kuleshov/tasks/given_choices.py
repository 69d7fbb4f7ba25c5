"""Questions of a benchmark with few possible answers: an option, yes or no, an order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import factorial
from string import ascii_uppercase
from typing import ClassVar, final

import numpy as np

from kuleshov.errors import UsageError
from kuleshov.sample import Json, Sample
from kuleshov.tasks import free_form
from kuleshov.tasks.given import Given, answers_of


@final
@dataclass(frozen=True, kw_only=True)
class GivenChoice(Given):
    """One of some options.

    Args:
        options: as they are shown, from A on.
    """

    name: ClassVar[str] = "given_choice"

    options: tuple[str, ...] = ("yes", "no")

    def __post_init__(self) -> None:
        if not 2 <= len(self.options) <= 26:
            raise UsageError(f"given_choice: {len(self.options)} options; allowed: 2 to 26")

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return ascii_uppercase[rng.integers(len(self.options))]

    def chance(self, sample: Sample, rng: np.random.Generator) -> float:
        return 1 / len(self.options)

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        return answers_of(samples)

    def write(self, answer: Json) -> str:
        return str(answer)

    def parse(self, text: str, sample: Sample) -> Json:
        return free_form.letter(text, self.options)

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        return {"total": float(answer == truth)}


@final
@dataclass(frozen=True, kw_only=True)
class GivenYesNo(Given):
    """Yes or no. Of a pair, both are in one set (provenance), whose share is reported."""

    name: ClassVar[str] = "given_yes_no"

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return ("yes", "no")[rng.integers(2)]

    def chance(self, sample: Sample, rng: np.random.Generator) -> float:
        return 0.5

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        return answers_of(samples)

    def write(self, answer: Json) -> str:
        return str(answer)

    def parse(self, text: str, sample: Sample) -> Json:
        return free_form.yes_no(text)

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        return {"total": float(answer == truth)}


@final
@dataclass(frozen=True, kw_only=True)
class GivenOrder(Given):
    """The numbers of some things in their order.

    Args:
        length: how many.
    """

    name: ClassVar[str] = "given_order"
    about_order: ClassVar[bool] = True

    length: int = 2

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return (rng.permutation(self.length) + 1).tolist()

    def write(self, answer: Json) -> str:
        return ", ".join(map(str, answer))

    def chance(self, sample: Sample, rng: np.random.Generator) -> float:
        return 1 / factorial(self.length)

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        return answers_of(samples)

    def parse(self, text: str, sample: Sample) -> Json:
        return free_form.order(text, self.length)

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        """All in place; "places" is the share of those in place."""
        places = sum(a == b for a, b in zip(answer, truth, strict=False)) / len(truth)
        return {"total": float(answer == truth), "places": places}
