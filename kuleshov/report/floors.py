"""Section: what is earned without looking, and how often nothing was answered."""

from __future__ import annotations

from collections.abc import Sequence

from kuleshov.report.compared import Compared, labelled
from kuleshov.report.page import Section, render


def floors(sets: Sequence[Compared], names: Sequence[str]) -> Section:
    """The floors beside the score.

    Args:
        sets: what is compared.
        names: of the two models, or of the one.
    """
    return Section(
        "Floors", render("beside_floors.html", rows=labelled(sets), names=names, last=names[-1])
    )
