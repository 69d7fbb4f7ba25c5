"""The results of a run as arrays, with a row for each item."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from kuleshov.errors import UsageError
from kuleshov.evaluate.results import Result
from kuleshov.evaluate.statistics.reported import Floats

Answers = dict[str, dict[str, list[Result]]]
"""By condition and sample; one for each repeat."""


def by_condition(results: Iterable[Result]) -> Answers:
    answers: Answers = {}
    for result in sorted(results, key=lambda r: r.repeat):
        answers.setdefault(result.condition, {}).setdefault(result.sample, []).append(result)
    return answers


def pooled(runs: Sequence[Answers]) -> Answers:
    """Runs of one model with several training seeds as repeats, under the conditions of all."""
    conditions = [c for c in runs[0] if all(c in answers for answers in runs)]
    return {
        condition: {
            sample: [r for answers in runs for r in answers[condition][sample]]
            for sample in runs[0][condition]
            if all(sample in answers[condition] for answers in runs)
        }
        for condition in conditions
    }


def repeats(answers: Answers, condition: str, ids: Sequence[str]) -> Floats:
    """Scores of (items, repeats).

    Raises:
        UsageError: not every item has as many repeats.
    """
    rows = [[r.score for r in answers[condition][i]] for i in ids]
    if len({len(row) for row in rows}) > 1:
        raise UsageError(
            f"some items have more repeats than others under the condition {condition}; let the "
            "evaluation run to its end with the same command"
        )
    return np.array(rows, dtype=np.float64)


def mean_scores(answers: Answers, condition: str, ids: Sequence[str]) -> Floats:
    """The mean over repeats of each item: (items,)."""
    rows = ([r.score for r in answers[condition][i]] for i in ids)
    return np.array([sum(row) / len(row) for row in rows])


def failure_share(answers: Answers, condition: str, ids: Sequence[str]) -> float:
    """Share of completions that hold no answer, and so were scored as wrong."""
    parsed = [r.parsed for i in ids for r in answers[condition][i]]
    return parsed.count(False) / len(parsed)


def covers(answers: Answers, condition: str, ids: Sequence[str]) -> bool:
    """Whether each item was asked under a condition."""
    return set(ids) <= answers.get(condition, {}).keys()
