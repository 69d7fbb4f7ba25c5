"""Questions of a benchmark with few possible answers: an option, yes or no, an order.

`reading` says how a choice is read: "ours" (option_named.py) or "published", as the benchmark's own
code reads it (published_readings.py), or "exact", the answer's name and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import factorial
from string import ascii_uppercase
from typing import ClassVar, TypeVar, final, get_args

import numpy as np

from kuleshov.errors import UsageError, unknown_name
from kuleshov.sample import Json, Sample
from kuleshov.tasks import free_form
from kuleshov.tasks.choice import Reading
from kuleshov.tasks.given import Given, answers_of
from kuleshov.tasks.published_readings import PUBLISHED, PUBLISHED_YES_NO

R = TypeVar("R")


@final
@dataclass(frozen=True, kw_only=True)
class GivenChoice(Given):
    """One of some options.

    Args:
        options: as they are shown, from A on.
        reading: how an answer is read.
    """

    name: ClassVar[str] = "given_choice"
    READINGS: ClassVar[tuple[Reading, ...]] = get_args(Reading)

    options: tuple[str, ...] = ("yes", "no")
    reading: Reading = "ours"

    def __post_init__(self) -> None:
        if not 2 <= len(self.options) <= 26:
            raise UsageError(f"given_choice: {len(self.options)} options; allowed: 2 to 26")

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return ascii_uppercase[rng.integers(len(self.options))]

    def chance(self, sample: Sample, rng: np.random.Generator) -> float:
        return 1 / len(self.options)

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        return answers_of(samples)

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        return str(answer)

    def parse(self, text: str, sample: Sample) -> Json:
        if self.reading == "exact":
            given = text.upper()
            return given if given in [*ascii_uppercase[: len(self.options)]] else None
        if self.reading == "published":
            return _published(PUBLISHED, sample)(text, self.options)
        return free_form.letter(text, self.options)

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        return {"total": float(answer == truth)}


@final
@dataclass(frozen=True, kw_only=True)
class GivenYesNo(Given):
    """Yes or no. Of a pair, both are in one set (provenance), whose share is reported.

    Args:
        reading: how an answer is read.
    """

    name: ClassVar[str] = "given_yes_no"
    READINGS: ClassVar[tuple[Reading, ...]] = get_args(Reading)

    reading: Reading = "ours"

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return ("yes", "no")[rng.integers(2)]

    def chance(self, sample: Sample, rng: np.random.Generator) -> float:
        return 0.5

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        return answers_of(samples)

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        return str(answer)

    def parse(self, text: str, sample: Sample) -> Json:
        if self.reading == "exact":
            return text.lower() if text.lower() in ("yes", "no") else None
        if self.reading == "published":
            return _published(PUBLISHED_YES_NO, sample)(text)
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

    def write(self, answer: Json, sample: Sample | None = None) -> str:
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


def _published(readings: Mapping[str, R], sample: Sample) -> R:
    """How the benchmark of a sample reads."""
    name = str(sample.provenance.get("published", {}).get("benchmark", ""))
    if name not in readings:
        raise unknown_name("published reading of benchmark", name, readings)
    return readings[name]
