"""Section: did it learn anything?

The same table goes into Markdown and LaTeX, see tables.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kuleshov.evaluate.compare import TaskComparison
from kuleshov.evaluate.figures import FIGURES
from kuleshov.evaluate.scores import mean_scores
from kuleshov.evaluate.statistics import MIN_VIDEOS, estimate
from kuleshov.left_out import left_out
from kuleshov.report.audited import audit_warnings
from kuleshov.report.compared import Compared, label, labelled
from kuleshov.report.page import Section, render
from kuleshov.run import environment
from kuleshov.trained_on import videos_of

TOO_FEW = "too few videos"
OVERALL = "mean of tasks"

Interval = tuple[float, float] | None


class Line(NamedTuple):
    """A line of the table.

    Args:
        name: of the row.
        row: its figures.
        interval: 95 %, of the difference, or of the score where there is one model.
        alone: whether there is one model.
        together: whether this is the mean of several rows, which has no p of its own.
    """

    name: str
    row: TaskComparison
    interval: Interval
    alone: bool
    together: bool = False

    @property
    def verdict(self) -> str:
        """Whether the whole interval of a difference lies on one side of 0."""
        if self.interval is None or self.alone:
            return ""
        return "good" if self.interval[0] > 0 else "bad" if self.interval[1] < 0 else ""

    def interval_text(self) -> str:
        if self.interval is None:
            return TOO_FEW
        form = "{:.3f} to {:.3f}" if self.alone else "{:+.3f} to {:+.3f}"
        return form.format(*self.interval)

    def cells(self) -> list[str]:
        """As text, in the order of `columns`."""
        row = self.row
        p = "" if self.together else f"{row.p_holm:.2g}"
        scores = [f"{row.after:.3f}", self.interval_text()]
        if not self.alone:
            scores = [f"{row.before:.3f}", scores[0], f"{row.difference:+.3f}", scores[1], p]
        return [self.name, *scores, str(row.n), str(row.videos)]


def columns(names: Sequence[str]) -> list[str]:
    """What stands above the cells of a line."""
    if len(names) == 1:
        return ["task", names[0], "95 % interval", "items", "videos"]
    return ["task", *names, "difference", "95 % interval", "p (Holm)", "items", "videos"]


def lines(sets: Sequence[Compared]) -> list[Line]:
    """A line for each row, and after those of a set with several tasks their mean."""
    found = []
    for one in sets:
        alone = one.before is None
        for task, row in one.rows.items():
            interval = _interval(one, task) if alone else row.interval
            found.append(Line(label(sets, one, task), row, interval, alone))
        if len(one.rows) > 1:
            interval = _interval(one, None) if alone else one.overall.interval
            name = label(sets, one, OVERALL)
            found.append(Line(name, one.overall, interval, alone, together=True))
    return found


def regressed(sets: Sequence[Compared]) -> list[Line]:
    """Lines whose whole interval lies below 0; one without an interval is never among them."""
    return [line for line in lines(sets) if line.verdict == "bad"]


def results(sets: Sequence[Compared], names: Sequence[str], temperature: float) -> Section:
    """The table of all tasks.

    Args:
        sets: what is compared.
        names: of the two models, or of the one.
        temperature: at which their answers were sampled; 0 for greedy ones.
    """
    body = render(
        "results.html",
        columns=columns(names),
        lines=lines(sets),
        names=names,
        temperature=temperature,
        seeds=max(row.seeds for row in labelled(sets).values()),
        min_videos=MIN_VIDEOS,
        too_few=any(line.interval is None for line in lines(sets)),
        warnings=warnings(sets),
    )
    return Section("Results on held-out videos", body)


def warnings(sets: Sequence[Compared]) -> list[str]:
    """What a reader should know before a figure is believed; each once."""
    rows: Mapping[str, TaskComparison] = labelled(sets)
    if any(one.before is None for one in sets):
        # One model has no training seeds to speak of.
        rows = {}
    said = [
        *audit_warnings(sets),
        *seen_warnings(sets),
        *left_out_warnings(sets),
        *(text for row in rows.values() for text in row.warnings),
    ]
    return list(dict.fromkeys(said))


def seen_warnings(sets: Sequence[Compared]) -> list[str]:
    """One for each set of which a model was trained on some videos."""
    found = []
    for one in sets:
        videos = videos_of(one.samples)
        known = (environment(run).get("videos_trained_on", ()) for run in one.runs)
        if seen := videos & frozenset().union(*known):
            found.append(
                f"{len(seen)} of the {len(videos)} videos of {one.name} were trained on: a gain "
                "may be memory"
            )
    return found


def left_out_warnings(sets: Sequence[Compared]) -> list[str]:
    """One for each run that left questions out."""
    found = []
    for one in sets:
        for run in one.runs:
            if lost := {entry["sample"]: entry["reason"] for entry in left_out(run)}:
                first = min(lost)
                found.append(
                    f"{run.name} left {len(lost)} samples of {one.name} out, such as {first}: "
                    f"{lost[first]}"
                )
    return found


def _interval(one: Compared, task: str | None) -> Interval:
    """Of the score of a lone model."""
    samples = one.samples if task is None else one.of(task)
    scores = mean_scores(one.after, "full", [sample.id for sample in samples])
    return estimate(FIGURES["tasks"].report(scores, samples)).interval
