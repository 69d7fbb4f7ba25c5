"""Section: every difference with its interval on one scale, a forest plot.

A lone model's scores are plotted instead, each with its floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kuleshov.report.compared import Compared
from kuleshov.report.page import Section, render
from kuleshov.report.results import Line, lines

_ROOM = 1.08  # so that no whisker ends at the edge


class Mark(NamedTuple):
    """A row of the plot; places are percentages of its width."""

    name: str
    text: str
    verdict: str
    at: float
    low: float | None
    high: float | None
    floor: float | None
    together: bool


def forest(sets: Sequence[Compared], names: Sequence[str]) -> Section:
    """The plot: for each row a point, its 95 % interval as a line, and 0 as a line through all.

    Args:
        sets: what is compared.
        names: of the two models, or of the one.
    """
    rows = lines(sets)
    alone = rows[0].alone
    ends = [abs(end) for row in rows for end in row.interval or ()]
    reach = 1.0 if alone else min(1.0, _ROOM * max([0.05, *ends, *(_value(r) for r in rows)]))
    low = 0.0 if alone else -reach
    marks = [_mark(row, low, reach) for row in rows]
    ticks = [low, (low + reach) / 2, reach]
    axis = [
        (_place(tick, low, reach), f"{tick:.2f}" if alone else f"{tick:+.2f}") for tick in ticks
    ]
    zero = None if alone else _place(0.0, low, reach)
    body = render("forest.html", marks=marks, axis=axis, zero=zero, names=names)
    return Section("Scores" if alone else "Differences", body)


def _value(row: Line) -> float:
    return abs(row.row.difference)


def _mark(row: Line, low: float, high: float) -> Mark:
    value = row.row.after if row.alone else row.row.difference
    start, end = row.interval or (None, None)
    floor = max(row.row.chance, row.row.best_constant, row.row.floors.get("learned", 0.0))
    return Mark(
        row.name,
        f"{value:.3f}" if row.alone else f"{value:+.3f}",
        row.verdict,
        _place(value, low, high),
        None if start is None else _place(start, low, high),
        None if end is None else _place(end, low, high),
        _place(floor, low, high) if row.alone else None,
        row.together,
    )


def _place(value: float, low: float, high: float) -> float:
    """In percent of the width, from 2 to 98: a point at an end is to be seen whole."""
    return round(2 + 96 * (value - low) / (high - low), 2)
