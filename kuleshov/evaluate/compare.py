"""Two evaluation runs of the same samples, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError, unknown_name
from kuleshov.evaluate.comparison import TaskComparison
from kuleshov.evaluate.figures import FIGURES
from kuleshov.evaluate.results import BEFORE, load_results
from kuleshov.evaluate.scores import Answers, by_condition
from kuleshov.evaluate.side_by_side import policy_answers, side_by_side
from kuleshov.evaluate.statistics import holm
from kuleshov.run import environment
from kuleshov.sample import Sample

__all__ = ["TaskComparison", "compare", "overall", "rows_and_overall", "samples_of"]


class _Runs(NamedTuple):
    """Samples that all models answered, with their answers, the floors and what is left out."""

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
    return _rows(_load(before, after), figure)


def overall(before: Path, after: Path | Sequence[Path], *, figure: str = "tasks") -> TaskComparison:
    """The comparison of all tasks together: a benchmark's one figure.

    Args:
        before: as in `compare`.
        after: likewise.
        figure: likewise; by default the mean over tasks of their means.

    Raises:
        UsageError: as in `compare`.
    """
    runs = _load(before, after)
    return _row(runs, runs.samples, figure)


def rows_and_overall(
    before: Path, after: Path | Sequence[Path], *, figure: str = "tasks"
) -> tuple[dict[str, TaskComparison], TaskComparison]:
    """`compare` and `overall`, with the runs read and the policies asked once.

    Args:
        before: as in `compare`.
        after: likewise.
        figure: likewise.

    Raises:
        UsageError: as in `compare`.
    """
    runs = _load(before, after)
    rows = _rows(runs, figure)
    return rows, next(iter(rows.values())) if len(rows) == 1 else _row(runs, runs.samples, figure)


def samples_of(run: Path) -> list[Sample]:
    """The sample set that an evaluation run answered."""
    return load_samples(environment(run)["data"])


def _rows(runs: _Runs, figure: str) -> dict[str, TaskComparison]:
    tasks: dict[str, list[Sample]] = {}
    for sample in runs.samples:
        tasks.setdefault(sample.entry, []).append(sample)
    rows = {task: _row(runs, here, figure) for task, here in sorted(tasks.items())}
    corrected = holm({task: row.p for task, row in rows.items()})
    return {task: replace(row, p_holm=corrected[task]) for task, row in rows.items()}


def _row(runs: _Runs, samples: Sequence[Sample], figure: str) -> TaskComparison:
    if figure not in FIGURES:
        raise unknown_name("figure", figure, FIGURES)
    row = side_by_side(samples, runs.before, runs.after, runs.policies, FIGURES[figure])
    return row if runs.warning is None else replace(row, warnings=(*row.warnings, runs.warning))


def _load(before: Path, after: Path | Sequence[Path]) -> _Runs:
    others = [after] if isinstance(after, Path) else list(after)
    for other in others:
        for key in ("samples", "temperature", "sampling"):
            one, two = ({**BEFORE, **environment(run)}[key] for run in (before, other))
            if one != two:
                raise UsageError(
                    f"{before} has {key} {one} and {other} has {two}, so their scores cannot be "
                    "compared; evaluate both models on the same sample set with the same settings"
                )
    first, *seconds = (by_condition(load_results(run)) for run in (before, *others))
    asked = [set(answers.get("full", {})) for answers in (first, *seconds)]
    common = set.intersection(*asked)
    if not common:
        names = " and ".join(str(run) for run in (before, *others))
        raise UsageError(f"{names} have no item in common under the condition full")
    samples = sorted((s for s in samples_of(others[-1]) if s.id in common), key=lambda s: s.id)
    lost = len(set.union(*asked)) - len(common)
    warning = f"{lost} items were answered by one model only and are left out" if lost else None
    return _Runs(samples, first, seconds, policy_answers(samples), warning)
