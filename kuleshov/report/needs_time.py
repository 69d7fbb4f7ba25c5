"""Section: does it use time, or would a frame have been enough? See evaluate/time_gain.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kuleshov.controls import CONTROLS
from kuleshov.evaluate.time_gain import TimeGain
from kuleshov.report.compared import Compared, labelled
from kuleshov.report.page import Section, render

CONDITIONS = {
    "full": "with the video",
    "half_rate": "half the frames",
    "reversed": "reversed",
    "shuffled": "shuffled",
    "single": "one frame",
    "blind": "no video",
}
"""What people call a condition, from the most that is seen to the least."""
assert set(CONDITIONS) == {"full", *CONTROLS}


class Panel(NamedTuple):
    """A row of the page.

    Args:
        name: of the row.
        bars: (condition, figure of each model); None where it was not asked all items.
        gains: time gain of each model.
        solved_blind: share of the last model, None if not known.
        needs_time: likewise.
    """

    name: str
    bars: list[tuple[str, list[float | None]]]
    gains: list[TimeGain | None]
    solved_blind: float | None
    needs_time: float | None


def panels(sets: Sequence[Compared], alone: bool) -> list[Panel]:
    """A panel for each row that was asked under more than the full condition."""
    found = []
    for name, row in labelled(sets).items():
        kept = {key: row.conditions[key] for key in CONDITIONS if key in row.conditions}
        if len(kept) < 2:
            continue
        bars = [
            (CONDITIONS[key], [one.after] if alone else [one.before, one.after])
            for key, one in kept.items()
        ]
        both = [row.time_gain_before, row.time_gain_after]
        found.append(Panel(name, bars, both[alone:], row.solved_blind, row.needs_time_share))
    return found


def needs_time(sets: Sequence[Compared], names: Sequence[str]) -> Section | None:
    """The panels; None where no control was run.

    Args:
        sets: what is compared.
        names: of the two models, or of the one.
    """
    found = panels(sets, len(names) == 1)
    return Section("Time", render("needs_time.html", panels=found, names=names)) if found else None
