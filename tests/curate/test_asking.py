from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.curate.asking import described, parsed
from kuleshov.errors import UsageError
from kuleshov.sample import Pixels

GOOD = {"caption": " A light. ", "questions": [{"question": "When? ", "answer": "At 1 s"}]}


def test_a_model_is_shown_the_frames_and_told_the_annotation() -> None:
    seen = []

    def see(prompt: str, frames: Pixels) -> str:
        seen.append((prompt, frames.shape))
        return json.dumps(GOOD)

    frames = np.zeros((4, 8, 8, 3), np.uint8)
    found = described(see, frames, 2.0, ["{wave}", "blow"], questions=2)
    assert found.caption == "A light." and found.questions == (("When?", "At 1 s"),)
    ((prompt, shape),) = seen
    assert shape == (4, 8, 8, 3)
    assert "4 frames of a video of 2.00 seconds" in prompt and "{wave}; blow" in prompt


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Sure! " + json.dumps(GOOD),
        "```json\n" + json.dumps(GOOD) + "\n```",
        json.dumps([GOOD]),
        json.dumps({"caption": "A light."}),
        json.dumps({**GOOD, "notes": ""}),
        json.dumps({**GOOD, "caption": None}),
        json.dumps({**GOOD, "questions": ["When?"]}),
        json.dumps({**GOOD, "questions": [{"question": "When?"}]}),
        json.dumps({**GOOD, "questions": [{"question": "When?", "answer": 1}]}),
    ],
)
def test_a_reply_of_another_form_is_refused(reply: str) -> None:
    with pytest.raises(UsageError, match="describes no clip; allowed: a JSON object"):
        parsed(reply)


@given(st.text(max_size=60))
def test_any_reply_is_read_or_refused(reply: str) -> None:
    with pytest.raises(UsageError):  # no short text is of the form
        parsed(reply)
