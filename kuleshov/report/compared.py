"""What a report is about: sample sets, each with the answers of a base and of a trained model.

Runs of the same samples belong together: the first one is the base model's, the others are the
trained model's, one for each seed of its training. A lone run is shown without a comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kuleshov.errors import UsageError
from kuleshov.evaluate.compare import TaskComparison, load, rows_and_overall
from kuleshov.evaluate.scores import Answers, pooled
from kuleshov.evaluate.statistics import holm
from kuleshov.run import environment
from kuleshov.sample import Sample

Rows = Mapping[str, TaskComparison]
"""By task; of several sample sets by "set: task"."""


@dataclass(frozen=True)
class Compared:
    """One sample set.

    Args:
        name: of the frozen benchmark, or of the folder.
        runs: the base model's run, then the trained model's; or a lone one.
        samples: that all of them answered.
        before: the base model's answers; None where there is one run.
        after: the trained model's, its training seeds as repeats; or those of the lone run.
        rows: by task. Those of a lone run compare it with itself.
        overall: all tasks together, the mean of their means.
    """

    name: str
    runs: tuple[Path, ...]
    samples: list[Sample]
    before: Answers | None
    after: Answers
    rows: Rows
    overall: TaskComparison

    @property
    def models(self) -> list[Answers]:
        """One or two."""
        return [self.after] if self.before is None else [self.before, self.after]

    def of(self, task: str) -> list[Sample]:
        """The samples of a row."""
        return [sample for sample in self.samples if sample.entry == task]


def compared(runs: Sequence[Path]) -> list[Compared]:
    """The sample sets of some evaluation runs, in the order in which they are first met.

    Args:
        runs: folders of `kuleshov eval`, of each set the base model's first.

    Raises:
        UsageError: the sets were not answered by the same models, or see `compare`.
    """
    sets: dict[str, list[Path]] = {}
    for run in runs:
        sets.setdefault(environment(run)["samples"], []).append(run)
    one, *others = sets.values()
    for other in others:
        if [_model(run) for run in other] != [_model(run) for run in one]:
            raise UsageError(
                f"{_named(one)} and {_named(other)} are of different samples and of different "
                "models, so their scores cannot be compared; evaluate the same models on each "
                "sample set and give the runs of each set in the same order"
            )
    names = _names([group[-1] for group in sets.values()])
    found = [_of(name, group) for name, group in zip(names, sets.values(), strict=True)]
    ps = {(i, task): row.p for i, one in enumerate(found) for task, row in one.rows.items()}
    corrected = holm(ps)
    return [
        replace(
            one,
            rows={t: replace(row, p_holm=corrected[i, t]) for t, row in one.rows.items()},
        )
        for i, one in enumerate(found)
    ]


def labelled(sets: Sequence[Compared]) -> dict[str, TaskComparison]:
    """The rows of all sets, by what they are called on a page."""
    return {label(sets, one, task): row for one in sets for task, row in one.rows.items()}


def label(sets: Sequence[Compared], one: Compared, task: str) -> str:
    """What a row is called: its task, after its set where there are several."""
    return task if len(sets) == 1 else f"{one.name}: {task}"


def _of(name: str, runs: Sequence[Path]) -> Compared:
    first, *others = runs
    read = load(first, others or [first])
    rows, whole = rows_and_overall(read)
    return Compared(
        name=name,
        runs=tuple(runs),
        samples=read.samples,
        before=read.before if others else None,
        after=pooled(read.after) if others else read.before,
        rows=rows,
        overall=whole,
    )


def _model(run: Path) -> tuple[str, str]:
    record = environment(run)
    return str(record["model"]), str(record.get("weights", ""))


def _named(runs: Sequence[Path]) -> str:
    return " and ".join(str(run) for run in runs)


def _names(runs: Sequence[Path]) -> list[str]:
    """Of the sets; a name that several of them have is told apart by the samples."""
    records = [environment(run) for run in runs]
    names = [str((r.get("bench") or {}).get("name") or Path(r["data"]).name) for r in records]
    return [
        name if names.count(name) == 1 else f"{name} {str(record['samples'])[:8]}"
        for name, record in zip(names, records, strict=True)
    ]
