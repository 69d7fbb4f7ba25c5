"""Section: the named figures behind the scores: published metrics, parts of the reward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kuleshov.evaluate.metrics import PUBLISHED, metric_of
from kuleshov.evaluate.scores import Answers
from kuleshov.evaluate.statistics import estimate, micro, paired_difference
from kuleshov.evaluate.statistics.reported import Floats
from kuleshov.report.compared import Compared, label
from kuleshov.report.page import Section, render
from kuleshov.report.results import TOO_FEW
from kuleshov.sample import Sample


class SubScore(NamedTuple):
    """A named figure of a row, the mean over its items of each model, and the interval."""

    row: str
    name: str
    published: bool
    means: list[float]
    interval: tuple[float, float] | None


def sub_scores(sets: Sequence[Compared], names: Sequence[str]) -> Section | None:
    """All named figures of all rows; None where the results hold none.

    Args:
        sets: what is compared.
        names: of the two models, or of the one.
    """
    found = [
        score
        for one in sets
        for task in one.rows
        for score in _of(label(sets, one, task), one.of(task), one.models)
    ]
    body = render("sub_scores.html", scores=found, names=names, too_few=TOO_FEW)
    return Section("Sub-scores", body) if found else None


def _of(row: str, samples: Sequence[Sample], models: Sequence[Answers]) -> list[SubScore]:
    sources = [sample.source for sample in samples]
    found = []
    for name in sorted({name for answers in models for name in _names(answers, samples)}):
        # No answer has no parts, and earns 0 in each.
        reported = micro(
            np.stack([_means(answers, samples, name) for answers in models], axis=1), sources
        )
        if len(models) > 1:
            interval = paired_difference(reported).interval
        else:
            interval = estimate(reported).interval
        task = samples[0].task
        published = task in PUBLISHED and name == metric_of(task)
        means = [float(value) for value in reported.value()]
        found.append(SubScore(row, name, published, means, interval))
    return found


def _names(answers: Answers, samples: Sequence[Sample]) -> set[str]:
    return {name for s in samples for r in answers["full"][s.id] for name in r.scores}


def _means(answers: Answers, samples: Sequence[Sample], name: str) -> Floats:
    rows = ([r.scores.get(name, 0.0) for r in answers["full"][s.id]] for s in samples)
    return np.array([sum(row) / len(row) for row in rows])
