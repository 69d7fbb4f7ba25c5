"""The figures that papers report of a task, beside the reward that training uses.

VIUBench (arXiv 2511.06281, section 3.2) reports the mean IoU of intervals, the share of shapes
whose count is exact, and the share of orders that are exact. They depend on the answer alone, not
on the reward that a sample was made with. What is no answer earns 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import fsum
from typing import NamedTuple

from kuleshov.evaluate.results import Result
from kuleshov.sample import Json, Reward, Sample
from kuleshov.tasks.anomaly import iou


def shapes_exact(answer: Json, truth: Json) -> float:
    """Share of the counts that are exact.

    >>> shapes_exact([3, 1, 5], [3, 1, 4]) == 2 / 3
    True
    """
    right = sum(given == true for given, true in zip(answer, truth, strict=True))
    return float(right / len(truth))


def exact(answer: Json, truth: Json) -> float:
    return float(answer == truth)


METRICS: dict[str, tuple[str, Callable[[Json, Json], float]]] = {
    "anomaly": ("iou", iou),
    "counting": ("shapes_exact", shapes_exact),
    "jigsaw": ("exact", exact),
    "masked": ("exact", exact),
}
"""By task: the name of its metric, and the metric of (answer, truth), in [0, 1].

Those of the first three are VIUBench's. For masked the paper's is not known; exact is ours.
"""
PUBLISHED = ("anomaly", "counting", "jigsaw")
"""Tasks whose metric is that of a paper."""


def metric_of(task: str) -> str:
    """The name of what is reported of a task: its metric, or "reward" where it has none."""
    return METRICS[task][0] if task in METRICS else "reward"


def scores_of(sample: Sample, reward: Reward) -> dict[str, float]:
    """All named figures of an answer: the parts of its reward and the metric of its task."""
    scores = dict(reward.parts)
    if sample.task in METRICS:
        name, metric = METRICS[sample.task]
        scores[name] = 0.0 if reward.answer is None else metric(reward.answer, sample.answer)
    return scores


class Column(NamedTuple):
    """A column of the paper's table 1, which is a line of ours.

    Args:
        name: the subtype (entry of the recipe), the task of several subtypes, or "overall".
        metric: what is averaged.
        value: in [0, 1].
        n: questions.
    """

    name: str
    metric: str
    value: float
    n: int


def published_table(
    results: Iterable[Result], samples: Iterable[Sample], condition: str = "full"
) -> list[Column]:
    """The table of a benchmark as VIUBench has it: its subtypes, their tasks, overall.

    A task is the unweighted mean of its subtypes and overall that of all subtypes, as in the
    paper's table 1. Repeats count like questions of their own.

    Args:
        results: of one run.
        samples: that it answered.
        condition: under which.
    """
    task_of = {sample.id: sample.task for sample in samples}
    values: dict[tuple[str, str], list[float]] = {}
    for r in results:
        if r.condition == condition and r.sample in task_of:
            task = task_of[r.sample]
            value = r.scores[METRICS[task][0]] if task in METRICS else r.score
            values.setdefault((task, r.task), []).append(value)
    table, columns = [], []
    for task in sorted({task for task, _ in values}):
        name = metric_of(task)
        here = [
            Column(entry, name, fsum(earned) / len(earned), len(earned))
            for (of, entry), earned in sorted(values.items())
            if of == task
        ]
        table += here
        columns += here
        if len(here) > 1:
            table.append(_mean(task, name, here))
    return [*table, _mean("overall", "mean of subtypes", columns)] if len(columns) > 1 else table


def _mean(name: str, metric: str, columns: Sequence[Column]) -> Column:
    value = fsum(column.value for column in columns) / len(columns)
    return Column(name, metric, value, sum(column.n for column in columns))
