"""Two evaluation runs of the same samples, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kuleshov.dataset import iterate_samples
from kuleshov.errors import UsageError, unknown_name
from kuleshov.evaluate.comparison import TaskComparison
from kuleshov.evaluate.figures import FIGURES
from kuleshov.evaluate.results import BEFORE, load_results
from kuleshov.evaluate.scores import Answers, by_condition
from kuleshov.evaluate.side_by_side import policy_answers, side_by_side
from kuleshov.evaluate.statistics import holm
from kuleshov.run import environment
from kuleshov.sample import Sample

__all__ = ["Runs", "TaskComparison", "compare", "load", "overall", "rows_and_overall"]


class Runs(NamedTuple):
    """Runs of the same samples.

    Args:
        samples: that all models answered, in the order of the set.
        before: the first model's answers.
        after: the second model's, for each seed of its training.
        policies: the floors'.
        warning: what is left out.
    """

    samples: list[Sample]
    before: Answers
    after: list[Answers]
    policies: dict[str, Answers]
    warning: str | None


def compare(
    before: Path, after: Path | Sequence[Path], *, figure: str = "tasks"
) -> dict[str, TaskComparison]:
    """Each task's comparison, from run folders of `kuleshov eval`.

    Args:
        before: the first model's run.
        after: the second model's, or one for each seed of its training.
        figure: what is reported, in `FIGURES` (figures.py).

    Raises:
        UsageError: the runs are of different samples or temperatures, or have no items in common.
    """
    return _rows(load(before, after), figure)


def overall(before: Path, after: Path | Sequence[Path], *, figure: str = "tasks") -> TaskComparison:
    """The comparison of all tasks together: a benchmark's one figure.

    Args:
        before: as in `compare`.
        after: likewise.
        figure: likewise; by default the mean over tasks of their means.

    Raises:
        UsageError: as in `compare`.
    """
    runs = load(before, after)
    return _row(runs, _by_id(runs.samples), figure)


def rows_and_overall(
    runs: Runs, *, figure: str = "tasks"
) -> tuple[dict[str, TaskComparison], TaskComparison]:
    """`compare` and `overall` of runs that were loaded once.

    Args:
        runs: see `load`.
        figure: as in `compare`.
    """
    rows = _rows(runs, figure)
    if len(rows) == 1:
        return rows, next(iter(rows.values()))
    return rows, _row(runs, _by_id(runs.samples), figure)


def _by_id(samples: Sequence[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda sample: sample.id)


def _rows(runs: Runs, figure: str) -> dict[str, TaskComparison]:
    tasks: dict[str, list[Sample]] = {}
    for sample in _by_id(runs.samples):
        tasks.setdefault(sample.entry, []).append(sample)
    rows = {task: _row(runs, here, figure) for task, here in sorted(tasks.items())}
    corrected = holm({task: row.p for task, row in rows.items()})
    return {task: replace(row, p_holm=corrected[task]) for task, row in rows.items()}


def _row(runs: Runs, samples: Sequence[Sample], figure: str) -> TaskComparison:
    if figure not in FIGURES:
        raise unknown_name("figure", figure, FIGURES)
    row = side_by_side(samples, runs.before, runs.after, runs.policies, FIGURES[figure])
    return row if runs.warning is None else replace(row, warnings=(*row.warnings, runs.warning))


def load(before: Path, after: Path | Sequence[Path]) -> Runs:
    """Everything that a comparison needs; of the sample set only what all models answered.

    Args:
        before: as in `compare`.
        after: likewise; `before` itself for a lone model.

    Raises:
        UsageError: as in `compare`.
    """
    others = [after] if isinstance(after, Path) else list(after)
    for other in others:
        for key in ("samples", "temperature", "sampling"):
            one, two = ({**BEFORE, **environment(run)}[key] for run in (before, other))
            if one != two:
                raise UsageError(
                    f"{before} has {key} {one} and {other} has {two}, so their scores cannot be "
                    "compared; evaluate both models on the same sample set with the same settings"
                )
    read = {
        run: by_condition(load_results(run, times=False))
        for run in dict.fromkeys((before, *others))
    }
    first, *seconds = (read[run] for run in (before, *others))
    asked = [set(answers.get("full", {})) for answers in (first, *seconds)]
    common = set.intersection(*asked)
    if not common:
        names = " and ".join(str(run) for run in (before, *others))
        raise UsageError(f"{names} have no item in common under the condition full")
    data = environment(others[-1])["data"]
    samples = [sample for sample in iterate_samples(data) if sample.id in common]
    lost = len(set.union(*asked)) - len(common)
    warning = f"{lost} items were answered by one model only and are left out" if lost else None
    return Runs(samples, first, seconds, policy_answers(_by_id(samples)), warning)
