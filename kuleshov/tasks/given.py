"""Questions of a benchmark, by the kind of their answer. They make none up; adapters write them.

    given_choice     letter of an option          1 if right
    given_yes_no     yes or no                    1 if right
    given_number     number                       relative accuracy, or 1 if exact
    given_interval   [start, end] in seconds      largest IoU with a true interval
    given_order      1 to n in their order        1 if all are in place
    given_text       text                         1 if it is one of the true ones, or by a judge
    given_caption    text                         ROUGE-L with the true one

The prompt is a benchmark's own and is not touched, so the form is direct, and the answer is looked
for in what a model says in its own words (free_form.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import factorial
from string import ascii_uppercase
from typing import ClassVar, Literal, Self, final, get_args

import numpy as np

from kuleshov.errors import UsageError, unknown_name
from kuleshov.item_scores import relative_accuracy, rouge_l, rouge_n
from kuleshov.sample import Form, Json, Sample, Skip, Video, dump_json
from kuleshov.tasks import free_form
from kuleshov.tasks.anomaly import iou
from kuleshov.tasks.labelled import plain
from kuleshov.tasks.task import Donors, Task, Unit

IOUS = (0.3, 0.5, 0.7)
"""Of R@1: the share of first intervals that overlap a true one by as much."""
_CANDIDATES = 100


@dataclass(frozen=True, kw_only=True)
class Given(Task):
    """A question that comes with its answer."""

    form: Form = "direct"

    @classmethod
    def paper(cls) -> Self:
        return cls()

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        return Skip(video.path, "its questions come from a benchmark", self.name)

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """All answers of the set."""
        return list({dump_json(s.answer): s.answer for s in samples}.values())

    def write(self, answer: Json) -> str:
        return str(answer)

    def units(self, sample: Sample) -> list[Unit]:
        """None: the audit looks for leaks in what we made, and made is nothing here."""
        return []

    def switched_off(self, sample: Sample) -> None:
        return None


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

    def parse(self, text: str, sample: Sample) -> Json:
        return free_form.yes_no(text)

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        return {"total": float(answer == truth)}


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

    def write(self, answer: Json) -> str:
        return f"{answer:.15g}"

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
    right_from: ClassVar[float] = 0.5  # R@1 at IoU 0.5

    duration: float = 1.0

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        """Both ends anywhere in the video."""
        return [[round(float(t), 2) for t in sorted(rng.uniform(0, self.duration, 2))]]

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """True intervals, evenly many of them, and the longest video as a whole."""
        longest = max(float(sample.knobs["duration"]) for sample in samples)
        found = sorted({tuple(span) for sample in samples for span in sample.answer})
        step = max(1, len(found) // _CANDIDATES)
        return [[list(span)] for span in (*found[::step], (0.0, longest))]

    def write(self, answer: Json) -> str:
        start, end = answer[0]
        return f"{start:.15g} - {end:.15g}"

    def parse(self, text: str, sample: Sample) -> Json:
        found = free_form.interval(text)
        return None if found is None else [found]

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        overlap = max(iou(answer[0], span) for span in truth)
        recalls = {f"r1_{least}": float(overlap >= least - 1e-9) for least in IOUS}
        return {"total": overlap, "iou": overlap, **recalls}


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

    def parse(self, text: str, sample: Sample) -> Json:
        return free_form.order(text, self.length)

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        """All in place; "places" is the share of those in place."""
        places = sum(a == b for a, b in zip(answer, truth, strict=False)) / len(truth)
        return {"total": float(answer == truth), "places": places}


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

    def write(self, answer: Json) -> str:
        return str(answer if isinstance(answer, str) else answer[0])

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

    def parse(self, text: str, sample: Sample) -> Json:
        said = free_form.final(text)
        return said if plain(said) else None

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        figures = {f"rouge_{n}_unstemmed": rouge_n(answer, truth, n) for n in (1, 2)}
        longest = rouge_l(answer, truth)
        return {"total": longest, **figures, "rouge_l_unstemmed": longest}


KINDS: dict[str, type[Given]] = {
    kind.name: kind
    for kind in (
        GivenChoice,
        GivenYesNo,
        GivenNumber,
        GivenInterval,
        GivenOrder,
        GivenText,
        GivenCaption,
    )
}


def chance_of(task: Given, sample: Sample, rng: np.random.Generator, draws: int = 200) -> float:
    """Mean reward of a guess: as a formula where there is one, else of some draws.

    Args:
        task: of the sample.
        sample: the question.
        rng: of the draws.
        draws: how many.
    """
    if isinstance(task, GivenChoice):
        return 1 / len(task.options)
    if isinstance(task, GivenYesNo):
        return 0.5
    if isinstance(task, GivenOrder):
        return 1 / factorial(task.length)
    if isinstance(task, GivenInterval):
        earned = [task.grade(task.guess(sample, rng), sample.answer)["total"] for _ in range(draws)]
        return sum(earned) / draws
    return 0.0
