"""Section: the figures that a benchmark itself reports, its headline first.

A published benchmark's are those of its adapter; of a frozen set of our own tasks the mean of each
task's subtypes and of all of them, in the published metrics, as in table 1 of VideoSSR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kuleshov.evaluate.adapters.adapter import Line
from kuleshov.evaluate.adapters.table import benchmark_of, lines_of, score_of
from kuleshov.evaluate.figures import FIGURES
from kuleshov.evaluate.metrics import METRICS, metric_of
from kuleshov.evaluate.results import Result
from kuleshov.evaluate.scores import Answers
from kuleshov.evaluate.statistics import estimate, paired_difference
from kuleshov.evaluate.statistics.reported import Floats
from kuleshov.report.compared import Compared
from kuleshov.report.page import Section, render
from kuleshov.report.results import TOO_FEW
from kuleshov.run import environment
from kuleshov.sample import Sample

_Scored = tuple[Line, Callable[[Sample, Result], float]]


class Headline(NamedTuple):
    """A figure of a set, of each model, with the interval of the difference or of the one."""

    set: str
    name: str
    metric: str
    values: list[float]
    interval: tuple[float, float] | None
    items: int
    videos: int


def headlines(sets: Sequence[Compared]) -> list[Headline]:
    """All figures of all sets that report some."""
    found = []
    for one in sets:
        for line, score in _lines(one):
            if line.samples:
                found.append(_headline(one, line, score))
    return found


def headline(sets: Sequence[Compared], names: Sequence[str]) -> Section | None:
    """The figures; None where no set is a benchmark.

    Args:
        sets: what is compared.
        names: of the two models, or of the one.
    """
    found = headlines(sets)
    if not found:
        return None
    several = len(sets) > 1
    body = render("headline.html", rows=found, names=names, several=several, too_few=TOO_FEW)
    return Section("As the benchmark reports it", body)


def _lines(one: Compared) -> list[_Scored]:
    record = environment(one.runs[-1])
    data = Path(record["data"])
    name = benchmark_of(data)
    if name is not None:
        return [(line, partial(_named, line.score)) for line in lines_of(name, one.samples)]
    if not record.get("bench") or not all(s.task in METRICS for s in one.samples):
        return []
    tasks: dict[str, list[Sample]] = {}
    for sample in one.samples:
        tasks.setdefault(sample.task, []).append(sample)
    mean = FIGURES["tasks"].report
    alone = f"{metric_of(one.samples[0].task)}, " if len(tasks) == 1 else ""
    lines = [Line("overall", f"{alone}mean of subtypes", one.samples, mean)]
    if len(tasks) > 1:
        lines += [Line(task, metric_of(task), here, mean) for task, here in sorted(tasks.items())]
    return [(line, _published) for line in lines]


def _named(name: str, sample: Sample, result: Result) -> float:
    return score_of(result, name)


def _published(sample: Sample, result: Result) -> float:
    return result.scores.get(metric_of(sample.task), 0.0)


def _headline(one: Compared, line: Line, score: Callable[[Sample, Result], float]) -> Headline:
    table = np.stack([_means(answers, line.samples, score) for answers in one.models], axis=1)
    reported = line.report(table, line.samples)
    both = len(one.models) > 1
    interval = (paired_difference(reported) if both else estimate(reported)).interval
    values = [float(value) for value in reported.value()]
    n = len(line.samples)
    return Headline(one.name, line.name, line.metric, values, interval, n, reported.videos)


def _means(
    answers: Answers, samples: Sequence[Sample], score: Callable[[Sample, Result], float]
) -> Floats:
    rows = ([score(s, r) for r in answers["full"][s.id]] for s in samples)
    return np.array([sum(row) / len(row) for row in rows])
