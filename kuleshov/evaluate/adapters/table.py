"""What a published benchmark reports of a run, each figure with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path

from kuleshov.dataset import settings
from kuleshov.errors import UsageError, unknown_name
from kuleshov.evaluate.adapters import ADAPTERS
from kuleshov.evaluate.adapters.adapter import Line
from kuleshov.evaluate.figures import FIGURES
from kuleshov.evaluate.results import Result
from kuleshov.evaluate.statistics import estimate
from kuleshov.sample import Sample


@dataclass(frozen=True)
class Row:
    """A figure.

    Args:
        name: what it is of.
        metric: what is averaged.
        value: in [0, 1]; None if it is not computed.
        interval: 95 %, by bootstrap over source videos; None if there are too few.
        items: questions.
        videos: source videos.
        failures: share of answers that could not be read, which are wrong.
        why: it is not computed; "" if it is.
    """

    name: str
    metric: str
    value: float | None
    interval: tuple[float, float] | None = None
    items: int = 0
    videos: int = 0
    failures: float = 0.0
    why: str = ""

    def cells(self) -> tuple[str, ...]:
        """Name, metric, items, value, interval and failures, for people."""
        if self.value is None:
            return self.name, self.metric, "", f"not computed, {self.why}", "", ""
        ends = "too few videos"
        if self.interval is not None:
            ends = "{:.3f} to {:.3f}".format(*self.interval)
        shown = str(self.items), f"{self.value:.3f}", ends, f"{self.failures:.1%}"
        return self.name, self.metric, *shown


def benchmark_of(data: Path) -> str | None:
    """The name of the published benchmark that a set of samples is, if it is one."""
    name = settings(data).get("benchmark")
    return name if name in ADAPTERS else None


def table(
    name: str, samples: Sequence[Sample], results: Iterable[Result], condition: str = "full"
) -> list[Row]:
    """All figures of a benchmark, its headline first, and those that are not computed last.

    Repeats of a question are averaged. Where it was asked with its options in all rotations, the
    share of questions that are right in all of them is a line of its own.

    Args:
        name: in `ADAPTERS`.
        samples: those that were asked.
        results: of one run.
        condition: under which.

    Raises:
        UsageError: an unknown name, or samples that were not answered under the condition.
    """
    if name not in ADAPTERS:
        raise unknown_name("benchmark", name, ADAPTERS)
    answers: dict[str, list[Result]] = {}
    for result in results:
        if result.condition == condition:
            answers.setdefault(result.sample, []).append(result)
    if open_ := [sample.id for sample in samples if sample.id not in answers]:
        raise UsageError(
            f"{len(open_)} of {len(samples)} questions are not answered under the condition "
            f"{condition}; let the evaluation run to its end with the same command"
        )
    rows = [_row(line, answers) for line in lines_of(name, samples) if line.samples]
    not_computed = ADAPTERS[name].not_computed
    missing = [Row("overall", metric, None, why=why) for metric, why in not_computed.items()]
    return [*rows, *missing]


def lines_of(name: str, samples: Sequence[Sample]) -> list[Line]:
    """What a benchmark reports of some samples.

    Args:
        name: in `ADAPTERS`.
        samples: those that were asked.
    """
    lines = list(ADAPTERS[name].lines(samples))
    if turned := [s for s in samples if s.provenance["published"].get("rotated")]:
        lines.append(Line("right in all rotations", "share", turned, FIGURES["sets"].report))
    return lines


def _row(line: Line, answers: dict[str, list[Result]]) -> Row:
    given = [answers[sample.id] for sample in line.samples]
    scores = [fsum(score_of(r, line.score) for r in rs) / len(rs) for rs in given]
    found = estimate(line.report(scores, line.samples))
    failed = sum(not r.parsed for rs in given for r in rs) / sum(map(len, given))
    return Row(
        name=line.name,
        metric=line.metric,
        value=found.value,
        interval=found.interval,
        items=len(given),
        videos=found.videos,
        failures=failed,
    )


def score_of(result: Result, name: str) -> float:
    """A named score, or the reward for ""; of no answer, which is wrong, there is no named one."""
    if not name:
        return result.score
    return result.scores[name] if result.parsed else 0.0
