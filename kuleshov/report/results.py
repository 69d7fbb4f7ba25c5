"""Section: did it learn anything that the floors do not explain?"""

from __future__ import annotations

from kuleshov.evaluate.compare import TaskComparison
from kuleshov.evaluate.statistics import MIN_VIDEOS
from kuleshov.report.page import Section, render


def results(
    comparisons: dict[str, TaskComparison], names: tuple[str, str], temperature: float
) -> Section:
    """The table of all tasks.

    Args:
        comparisons: by task.
        names: what the first and the second model are called.
        temperature: at which their answers were sampled; 0 for greedy ones.
    """
    body = render(
        "results.html",
        comparisons=comparisons,
        names=names,
        temperature=temperature,
        min_videos=MIN_VIDEOS,
        warnings=list(dict.fromkeys(w for row in comparisons.values() for w in row.warnings)),
    )
    return Section("Results on held-out videos", body)
