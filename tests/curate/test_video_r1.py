"""Rows in the form that Video-R1 publishes, made up here."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.curate.video_r1 import rows

CHOICE: dict[str, Any] = {
    "problem_id": 1,
    "problem": "What does the man do first?",
    "data_type": "video",
    "problem_type": "multiple choice",
    "options": ["A. wave", "B. snap his fingers"],
    "solution": "<answer>B</answer>",
    "path": "./LLaVA-Video/a.mp4",
}
COUNT = {**CHOICE, "problem_type": "numerical", "options": [], "solution": "<answer>3</answer>"}


def test_a_choice_keeps_its_options_and_its_letter() -> None:
    found, reasons = rows([CHOICE]).rows[0], rows([CHOICE]).reasons
    assert found.video == "LLaVA-Video/a.mp4" and found.question == CHOICE["problem"]
    assert found.options == ("wave", "snap his fingers") and found.answer == "B"
    assert reasons == {}


def test_other_problems_are_answered_in_text() -> None:
    (found,) = rows([COUNT]).rows
    assert found.answer == "3" and found.options == ()


def test_rows_that_are_left_out_are_counted_by_reason() -> None:
    found = rows(
        [
            {**CHOICE, "data_type": "image"},
            {**CHOICE, "data_type": "image"},
            {**CHOICE, "problem_type": "tracking"},
            {**CHOICE, "solution": "B"},
            {**CHOICE, "options": ["wave", "snap"]},
            {**CHOICE, "options": ["B. wave", "A. snap"]},
            {**CHOICE, "options": []},
            {**CHOICE, "options": 3},
            {**CHOICE, "options": "A. wave"},
            {**CHOICE, "options": None},
            {**CHOICE, "problem_type": ["multiple choice"]},
            {**CHOICE, "problem": "Which \ud83d is it?"},
            {**CHOICE, "path": None},
            {**COUNT, "solution": "<answer> . </answer>"},
            {**CHOICE, "solution": "<answer>C</answer>"},
            "row",
        ]
    )
    assert found.rows == []
    assert found.reasons["about an image"] == 2
    assert found.reasons["unknown type of problem"] == 2
    assert found.reasons["solution without one <answer>"] == 1
    assert found.reasons["options are not lettered in order"] == 2
    assert found.reasons["multiple choice without options"] == 4
    assert found.reasons["not an object"] == 1
    assert sum(n for why, n in found.reasons.items() if why.startswith("not a row of labels")) == 4
    assert sum(found.reasons.values()) == 16


@pytest.mark.parametrize("key", ["problem", "path", "solution", "problem_type", "data_type"])
@given(value=st.none() | st.integers() | st.text(max_size=10))
def test_any_value_is_read_or_counted(key: str, value: Any) -> None:
    found = rows([{**CHOICE, key: value}])
    assert len(found.rows) + sum(found.reasons.values()) == 1
