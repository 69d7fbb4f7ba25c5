"""Section: does a model like a letter? How often each is given, and how often it is right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from kuleshov.evaluate.options import letter_shares
from kuleshov.evaluate.scores import Answers
from kuleshov.report.compared import Compared, label
from kuleshov.report.page import Section, render
from kuleshov.sample import Json, Sample

_LETTER = re.compile(r"[A-Z]")


class Letters(NamedTuple):
    """A row of the page: for each letter, "" for no answer, the share that is right and given."""

    name: str
    shares: list[tuple[str, list[float]]]


def shares(sets: Sequence[Compared]) -> list[Letters]:
    """Of each row whose every true answer is a letter."""
    found = []
    for one in sets:
        for task in one.rows:
            samples = one.of(task)
            if not all(_is_letter(sample.answer) for sample in samples):
                continue
            columns = [letter_shares(sample.answer for sample in samples)]
            columns += [letter_shares(_given(answers, samples)) for answers in one.models]
            seen = sorted({letter for column in columns for letter in column if letter})
            table = [(x, [column.get(x, 0.0) for column in columns]) for x in [*seen, ""]]
            found.append(Letters(label(sets, one, task), table))
    return found


def letters(sets: Sequence[Compared], names: Sequence[str]) -> Section | None:
    """The shares; None where no answers are letters.

    Args:
        sets: what is compared.
        names: of the two models, or of the one.
    """
    found = shares(sets)
    return Section("Letters", render("letters.html", rows=found, names=names)) if found else None


def _is_letter(answer: Json) -> bool:
    return isinstance(answer, str) and _LETTER.fullmatch(answer) is not None


def _given(answers: Answers, samples: Sequence[Sample]) -> list[str | None]:
    return [
        r.answer if _is_letter(r.answer) else None for s in samples for r in answers["full"][s.id]
    ]
