from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kuleshov.dataset import load_samples
from kuleshov.sample import Sample
from tests.evaluate.adapters.conftest import rows

Sets = Callable[[str], Path]


def test_the_prompt_is_the_published_one(sets: Sets) -> None:
    assert load_samples(sets("video_mme"))[0].prompt == (
        "<video>\nSelect the best answer to the following multiple-choice question based on the "
        "video. Respond with only the letter (A, B, C, or D) of the correct option.\n"
        "Who is it?\nA. Ann.\nB. Bob.\nC. Cid.\nD. Dan.\n"
        "Answer with the option's letter from the given choices directly."
    )


def test_accuracy_by_duration_and_by_type_of_question(sets: Sets) -> None:
    # Right about the short video, and elsewhere always A: 3 of 3, 1 of 3, 1 of 3.
    def say(sample: Sample) -> str:
        return str(sample.answer) if "short" in sample.entry else "A"

    found = rows("video_mme", sets("video_mme"), say)
    values = {name: row.value for (name, _), row in found.items() if not row.why}
    assert values["overall"] == pytest.approx(5 / 9)
    assert values["duration: short"] == 1.0
    assert values["duration: long"] == values["duration: medium"] == pytest.approx(1 / 3)
    # The first question of each video is of this type, and its answer is A.
    assert values["task_type: Temporal Reasoning"] == 1.0
    assert values["domain: Knowledge"] == values["overall"]


def test_questions_of_a_video_are_drawn_together(sets: Sets) -> None:
    found = rows("video_mme", sets("video_mme"), lambda _: "A")
    assert (found["overall", "accuracy"].items, found["overall", "accuracy"].videos) == (9, 3)
    assert found["overall", "accuracy"].interval is None  # of too few videos
