"""Rows of Video-R1, the open part of VideoPerceiver's data, as rows of labels.py.

    {"problem_id": 1, "problem": "What ...?", "data_type": "video", "problem_type":
     "multiple choice", "options": ["A. red", "B. green"], "solution": "<answer>B</answer>",
     "path": "./LLaVA-Video/a.mp4"}

Read as published (Video-R1 59d65c3). Each row that is left out has a reason, and none is repaired.
The published files were not at hand: tested on rows that are made up in this form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from string import ascii_uppercase
from typing import Any

from kuleshov.curate.build import Curated, Rejected
from kuleshov.errors import UsageError
from kuleshov.labels import Label, label

KINDS = ("multiple choice", "numerical", "OCR", "free-form", "regression")
"""Published types of problems."""

_SOLUTION = re.compile(r"\s*<answer>(.*)</answer>\s*", re.DOTALL)
_OPTION = re.compile(r"\(?([A-Z])[.):]\s*(.*\S)\s*", re.DOTALL)


def rows(published: Iterable[Any]) -> Curated:
    """Published rows as rows of labels.py, and those that are left out.

    Args:
        published: objects, as `json` reads them.
    """
    labels: list[Label] = []
    rejected: list[Rejected] = []
    for number, row in enumerate(published, 1):
        try:
            labels.append(_label(number, row))
        except UsageError as error:
            rejected.append(Rejected("", f"row {number}", str(error)))
    return Curated(labels, rejected)


def _label(number: int, row: Any) -> Label:
    """A row.

    Raises:
        UsageError: it is none that can be asked; the message is the same for the same reason.
    """
    if not isinstance(row, dict):
        raise UsageError("not an object")
    if row.get("data_type") != "video":
        raise UsageError("about an image")
    if row.get("problem_type") not in KINDS:
        raise UsageError("unknown type of problem")
    solution = _SOLUTION.fullmatch(str(row.get("solution", "")))
    if solution is None:
        raise UsageError("solution without one <answer>")
    options = []
    if row["problem_type"] == "multiple choice":
        given = row.get("options")
        if not isinstance(given, list):
            raise UsageError("multiple choice without options")
        for letter, option in zip(ascii_uppercase, given, strict=False):
            match = _OPTION.fullmatch(str(option))
            if match is None or match.group(1) != letter:
                raise UsageError("options are not lettered in order")
            options.append(match.group(2))
        if not options:
            raise UsageError("multiple choice without options")
    path = row.get("path")
    asked = {
        "video": path.removeprefix("./") if isinstance(path, str) else path,
        "question": row.get("problem"),
        "answer": solution.group(1).strip(),
        "options": options,
    }
    try:
        return label(f"Video-R1, row {number}", asked)
    except UsageError as error:
        raise UsageError("not a row of labels.py: " + str(error).split(": ", 1)[1]) from error
