"""The report of an experiment: which sections, from which runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kuleshov.dataset import videos_root
from kuleshov.errors import UsageError
from kuleshov.evaluate.compare import TaskComparison, compare, samples_of
from kuleshov.evaluate.results import load_results
from kuleshov.report.curves import curves
from kuleshov.report.gallery import choose, gallery
from kuleshov.report.page import Section, write_page
from kuleshov.report.results import results
from kuleshov.report.settings import settings
from kuleshov.run import environment


def build(
    runs: Sequence[Path], page: Path, names: tuple[str, str] = ("before", "after"), lead: str = ""
) -> dict[str, TaskComparison]:
    """Write the page that compares two evaluated models, with the training between them.

    Args:
        runs: run folders in any order of stages; the first with results is the model before,
            the last one the model after, and those with metrics are training runs.
        page: the HTML file to write.
        names: what the two models are called.
        lead: a sentence on how the figures were made.

    Returns:
        The figures of the table, by task.

    Raises:
        UsageError: not two evaluation runs, or of different samples.
    """
    for run in runs:
        if not (run / "environment.json").is_file():
            raise UsageError(f"{run} is no run folder; give those of `kuleshov train` and `eval`")
    evaluated = [run for run in runs if (run / "results.jsonl").is_file()]
    if len(evaluated) < 2:
        raise UsageError(
            f"a report compares two evaluations, got {len(evaluated)}; run `kuleshov eval` on the "
            "model before and after training and give both run folders"
        )
    before, after = evaluated[0], evaluated[-1]
    comparisons = compare(before, after)
    first, second = (
        {r.sample: r for r in load_results(run) if r.condition == "full"} for run in (before, after)
    )
    picks = choose(samples_of(after), first, second, names)
    sections: list[Section | None] = [
        results(comparisons, names, environment(after)["temperature"]),
        settings(runs, lead),
        *(curves(run) for run in runs if run not in evaluated),
        gallery(picks, videos_root(environment(after)["data"])),
    ]
    write_page(page, "kuleshov report", [section for section in sections if section is not None])
    return comparisons
