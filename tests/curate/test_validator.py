from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.score import exponent
from kuleshov.curate.validator import RULES, Text, reason

ABOUT = "A man snaps his fingers, and the light flashes twice."


def question(text: str, answer: str = "2") -> str | None:
    return reason(Text(text, answer, 10.0, ABOUT))


@pytest.mark.parametrize(
    "text",
    [
        # The paper's own examples.
        "At what timestamp does the subject snap their fingers?",
        "How many times does the light flash?",
        "Does the man snap before the light flashes?",
    ],
)
def test_questions_about_time_and_what_is_shown_are_kept(text: str) -> None:
    assert question(text) is None


WRONG = {
    "": "grammar: no text",
    "how many times does the light flash?": "grammar: does not begin with a capital",
    "How many times does the light flash": "grammar: does not end with its mark",
    "Look. How many times does the light flash?": "grammar: a question is one sentence",
    "Light flashes how many times?": "grammar: a question does not begin like one",
    "How many times does the the light flash?": "grammar: a word twice",
    'How many times does the "light flash?': "grammar: brackets or quotes that do not close",
    "When light?": "grammar: too short or too long",
    "What colour is the light?": "temporal: does not ask about time",
    "When does the man behind the camera snap?": "visible: not to be seen",
    "When is the sound of the light over?": "visible: not to be seen",
    "Does the light flash at 12.5 seconds?": "visible: a time beyond the clip",
    "When does the dog jump?": "visible: not about what is shown",
}


@pytest.mark.parametrize("text", WRONG)
def test_each_question_is_left_out_for_its_reason(text: str) -> None:
    assert question(text) == WRONG[text]


@pytest.mark.parametrize("answer", ["", "Unknown.", "It cannot be told."])
def test_a_question_without_an_answer_is_left_out(answer: str) -> None:
    why = question("When does the light flash?", answer)
    assert why == "visible: the answer is not known"


def test_an_answer_beyond_the_clip_is_left_out() -> None:
    assert question("When does the light flash?", "At 11 s") == "visible: a time beyond the clip"
    assert question("When does the light flash?", "At 9.5 s") is None


def test_every_rule_has_a_case() -> None:
    assert set(RULES) == {*WRONG.values(), "visible: the answer is not known"}


def test_captions_need_not_ask() -> None:
    assert reason(Text(ABOUT, None, 10.0, "")) is None
    said = "A man says hello, and the light flashes."
    assert reason(Text(said, None, 10.0, "")) == "visible: not to be seen"


@given(st.text(max_size=80), st.none() | st.text(max_size=20))
def test_any_text_is_judged(text: str, answer: str | None) -> None:
    assert reason(Text(text, answer, 10.0, ABOUT)) in {None, *RULES}


@pytest.mark.parametrize("unit", ["1", "1 ", "1.1", "a ", "off "])
def test_captions_are_judged_in_time_linear_in_their_length(unit: str) -> None:
    def judge(text: str) -> None:
        for holds in RULES.values():
            holds(Text(f"How {text} twice?", "2", 10.0, ABOUT))

    assert exponent(judge, unit, (4096, 32_768), 2) < 1.5
