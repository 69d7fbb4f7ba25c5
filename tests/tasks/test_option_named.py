from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.score import exponent
from kuleshov.tasks.free_form import letter, yes_no
from kuleshov.tasks.option_named import option_named, yes_or_no
from tests.tasks.answers import ANSWERS, OPTIONS

NAMES = "ABCD"
TWO = (
    "{} or {}",
    "{}, {}",
    "{} and {}",
    "{}/{}",
    "{} {}",
    "Either {} or {}.",
    "{}. No, {}.",
    "Not {} but {}",
    "The answer is {}, not {}",
    "The answer is {}. Note that {} looks alike.",
    "I considered {}, but the answer is {}.",
    "It is {}, or perhaps {}.",
    "Answer: {}\nAnswer: {}",
    "{} (or {})",
    "first {}, then {}",
    "<answer>{}</answer> <answer>{}</answer>",
    "\\boxed{{{}}} \\boxed{{{}}}",
)
ONE = (
    "{}",
    "{}.",
    "The answer is {}.",
    "Answer: {}",
    "I would say {}",
    "It is {} because nothing moves.",
    "\\boxed{{{}}}",
    "<think>Red balloon, or D?</think> {}",
)
FORMS: dict[str, Callable[[int], str]] = {
    "letter": lambda i: NAMES[i],
    "bracketed": lambda i: f"({NAMES[i]})",
    "text": lambda i: OPTIONS[i],
    "both": lambda i: f"{NAMES[i]}. {OPTIONS[i]}",
    "announced": lambda i: f"option {NAMES[i]}",
}
DENIED = ("Not {}", "It is not {}.", "{} is wrong", "{} is not right", "anything but {}")


@pytest.mark.parametrize(("text", "reading", "source"), ANSWERS)
def test_answers_as_models_give_them(text: str, reading: str, source: str) -> None:
    assert (letter(text, OPTIONS) or "") == reading, source


def test_the_table_has_rows_enough_of_both_kinds_and_each_its_source() -> None:
    assert len(ANSWERS) >= 120 and len({text for text, _, _ in ANSWERS}) == len(ANSWERS)
    assert sum(reading == "" for _, reading, _ in ANSWERS) >= 50
    assert all(source for _, _, source in ANSWERS)


@given(
    pair=st.sampled_from([*permutations(range(4), 2)]),
    template=st.sampled_from(TWO),
    forms=st.tuples(st.sampled_from([*FORMS]), st.sampled_from([*FORMS])),
)
def test_an_answer_that_names_two_options_is_none(
    pair: tuple[int, int], template: str, forms: tuple[str, str]
) -> None:
    said = [FORMS[form](i) for form, i in zip(forms, pair, strict=True)]
    assert letter(template.format(*said), OPTIONS) is None


@given(i=st.integers(0, 3), template=st.sampled_from(ONE), form=st.sampled_from([*FORMS]))
def test_an_answer_that_names_one_option_is_that_one(i: int, template: str, form: str) -> None:
    assert letter(template.format(FORMS[form](i)), OPTIONS) == NAMES[i]


@given(i=st.integers(0, 3), template=st.sampled_from(DENIED), form=st.sampled_from([*FORMS]))
def test_an_option_that_is_denied_is_not_chosen(i: int, template: str, form: str) -> None:
    assert letter(template.format(FORMS[form](i)), OPTIONS) is None


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert letter(text, OPTIONS) in (*NAMES, None)
    assert yes_no(text) in ("yes", "no", None)


@pytest.mark.parametrize(
    ("text", "options", "right"),
    [
        # The text of one option holds that of another: the longer one is meant.
        ("dark red", ("red", "dark red"), "B"),
        ("It is red.", ("red", "dark red"), "A"),
        ("not moving", ("moving", "not moving"), "B"),
        # The text of an option is a letter, or ends in one.
        ("Team B", ("Team A", "Team B"), "B"),
        ("A. Team B", ("Team B", "Team A"), "A"),
        ("B", ("B", "A"), "B"),
        ("A. B", ("B", "A"), None),
        # Options that are numbers; a sign and decimals belong to them.
        ("The answer is 3.", ("2", "3", "4"), "B"),
        ("-3", ("3", "-3"), "B"),
        ("2.5", ("2", "2.5", "5"), "B"),
        ("B. 3", ("2", "3"), "B"),
        ("A. 3", ("2", "3"), None),
        # Options that say yes, no or none.
        ("no idea", ("yes", "no"), None),
        ("No", ("yes", "no"), "B"),
        ("None of the above", ("red", "none of the above"), "B"),
        ("B. None of the above", ("red", "None of the above."), "B"),
        # Two options with the same words are told apart by their letters alone.
        ("C++", ("C", "C++"), None),
        ("B. C++", ("C", "C++"), "B"),
    ],
)
def test_options_that_are_hard_to_tell_apart(
    text: str, options: tuple[str, ...], right: str | None
) -> None:
    assert letter(text, options) == right


CLIPS = {str(i): f"clip {i}" for i in range(1, 5)}


@pytest.mark.parametrize(
    ("text", "right"),
    [
        *[(text, "3") for text in ("3", "3.", "(3)", "**3**", "Clip 3", "clip 3.", "Answer: 3")],
        *[(text, "3") for text in ("The odd one is number 3", "The third clip", "It is 3 because")],
        *[(text, None) for text in ("5", "3 or 4", "3, 4", "33", "3.5", "not 3", "clip 5")],
        *[(text, None) for text in ("There are 3 cars", "Clips 1 and 2", "3 of the 4 are alike")],
    ],
)
def test_options_whose_names_are_numbers(text: str, right: str | None) -> None:
    assert option_named(text, CLIPS) == right


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        *[(t, "yes") for t in ("Yes", "yes.", "Yes, it does not stop.", "The answer is yes")],
        *[(t, "yes") for t in ("**Yes**", "Yes, the man has no hat", "No doubt, yes", "yeah")],
        *[(t, "no") for t in ("No", "NO!", "No, it is not.", "No. It stays.", "Answer: no")],
        *[(t, "no") for t in ("No it does not", "No car is visible", "There are no cars", "nope")],
        *[(t, None) for t in ("no idea", "No idea.", "No clue", "no way to tell", "No one is")],
        *[(t, None) for t in ("Yes or no", "yes/no", "Yes. No.", "yes and no", "neither yes nor")],
        *[(t, None) for t in ("", "maybe", "know", "yesterday", "Not yes", "The man has no hat")],
        *[(t, None) for t in ("I can't say yes", "there is no way of knowing")],
    ],
)
def test_yes_and_no(text: str, answer: str | None) -> None:
    assert yes_or_no(text) == answer


@pytest.mark.parametrize(
    ("unit", "options"),
    [
        ("(a) ", dict.fromkeys("ABCD", "red") | {"B": "green"}),
        ("(a) or ", dict(zip("ABCD", ("red", "green", "blue", "grey"), strict=True))),
        ("1 = ", CLIPS),
        ("the clip ", {"A": "the clip", "B": "red"}),
        ("Option. ", {"A": "option", "B": "red"}),
        ("1 2 ", {"1": "2", "3": "red"}),
    ],
)
def test_names_without_end_are_read_in_time_linear_in_their_number(
    unit: str, options: dict[str, str]
) -> None:
    # Four times the text took sixteen times as long.
    assert exponent(lambda text: option_named(text, options), unit, (4096, 65_536), 2) < 1.5


def test_two_in_brackets_that_are_joined_decide_by_what_they_name() -> None:
    assert letter("(a) or (a)", ("red", "green")) == "A"
    assert letter("(a) or (b)", ("red", "green")) is None
