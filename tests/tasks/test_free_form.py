from __future__ import annotations

from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.tasks.free_form import final, interval, letter, number, order, yes_no

OPTIONS = ("a red car", "Team B", "Vitamin C", "two dogs")
TEMPLATES = (
    "{}",
    "({})",
    "{}.",
    "**{}**",
    "The answer is {}.",
    "The best answer is ({}) because it is.",
    "Answer: {}",
    "Best option: ({}",
    "<think>Is it A or B, C, D?</think>{}",
    "Could be A, B, C or D. <answer>{}</answer>",
    "I would say {}",
    "{}. Some words of its own",
)
options_of = st.integers(2, 26).map(lambda n: [f"option number {i}" for i in range(n)])


@pytest.mark.parametrize(
    ("text", "right"),
    [
        *[
            (text, "B")
            for text in ("B", "b", "(B)", "(b).", "B.", "B. Team B", "Team B.", "team b")
        ],
        *[
            (text, "C")
            for text in ("C: Vitamin C", "**C**", "So I take C", "The answer is C, not that")
        ],
        *[
            (text, "A")
            for text in ("A", "Option A", "best option:(A", "The best answer is A.", "A.x")
        ],
        *[(text, "D") for text in ("answer: (d)", "D.two dogs", "<answer>D</answer>", "It is D")],
    ],
)
def test_letters_that_are_read(text: str, right: str) -> None:
    assert letter(text, OPTIONS) == right


@pytest.mark.parametrize(
    "text",
    [
        *["", "?", "E", "A or B", "A, B", "AB", "(A) is wrong, so B", "Options A and B"],
        *[
            "A man picks",
            "The answer is a dog",
            "E.g. no",
            "I cannot tell.",
            "a red bus",
            "A) x\nB) y",
        ],
        *["The answer is A. No, the answer is B.", "<answer>A</answer><answer>B</answer>"],
        *["<think>B</think>", "<think>The answer is B</think> I do not know"],
        # Two options are named; which one is meant is not for us to say.
        *["The answer is C, not A"],
    ],
)
def test_texts_that_give_no_letter(text: str) -> None:
    assert letter(text, OPTIONS) is None


@given(text=st.text(max_size=80), options=options_of)
def test_a_letter_is_one_of_the_options_and_always_the_same(text: str, options: list[str]) -> None:
    found = letter(text, options)
    assert found is None or found in ascii_uppercase[: len(options)]
    assert letter(text, options) == found


@given(
    text=st.text(st.sampled_from("efghijklmnopqrstuvwxyz 0123456789,!?\n"), max_size=60),
    options=st.integers(2, 4),
)
def test_what_names_no_option_never_gives_one(text: str, options: int) -> None:
    # No letter of these stands in it, so whatever came out would have been drawn.
    assert letter(text, OPTIONS[:options]) is None


@given(place=st.integers(0, 3), template=st.sampled_from(TEMPLATES))
def test_every_letter_is_read_in_every_wording(place: int, template: str) -> None:
    options = ("one", "two", "three", "four")
    assert letter(template.format("ABCD"[place]), options) == "ABCD"[place]


@given(one=st.integers(0, 3), other=st.integers(0, 3), mark=st.sampled_from(["({})", "{}.", "{}"]))
def test_two_different_letters_are_no_answer(one: int, other: int, mark: str) -> None:
    text = f"{mark.format('ABCD'[one])} or {mark.format('ABCD'[other])}"
    expected = "ABCD"[one] if one == other else None
    assert letter(text, ("one", "two", "three", "four")) == expected


@given(options=options_of, data=st.data())
def test_the_text_of_an_option_is_that_option(options: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(options) - 1))
    assert letter(options[place].upper(), options) == ascii_uppercase[place]
    twice = [*options[:25], options[0]]
    assert letter(options[0], twice) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        *[(text, "yes") for text in ("Yes", "yes.", "Yes, there is no doubt.", "I say yes")],
        *[(text, "no") for text in ("No", "NO!", "No, yes would be wrong", "there is no car")],
        *[(text, None) for text in ("", "maybe", "know", "it is yes or no", "<think>yes</think>")],
    ],
)
def test_yes_and_no(text: str, answer: str | None) -> None:
    assert yes_no(text) == answer


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("3", 3.0), ("3.5 m", 3.5), ("about -2 degrees", -2.0), ("1,200 cm", 1200.0)],
        *[("10.", 10.0), ("There are three.", 3.0), ("3 chairs, I count 3", 3.0)],
        *[("", None), ("many", None), ("3 to 4", None), ("two or three", None), ("v2", None)],
        *[("9" * 400, None), ("1.2.3", None)],
        # A number with all of its marks, and nothing that is part of another one.
        *[("1e3", 1000.0), ("1.5e-2", 0.015), (".5", 0.5), ("-.5", -0.5), ("\u22123", -3.0)],
        *[("minus 3", -3.0), ("5 m\u00b2", 5.0), ("10%", 10.0), ("\uff11\uff12", 12.0)],
        *[("twenty-one", 21.0), ("twenty one", 21.0), ("There is one.", 1.0), ("3.5m", 3.5)],
        *[("3k", None), ("3D", None), ("2nd", None), ("0x10", None), ("10^3", None)],
        *[
            ("1,2", None),
            ("1.000,5", None),
            ("12:30", None),
            ("1/2", None),
            ("3+2", None),
            ("9e999", None),
        ],
        *[("3 million", None), ("one hundred", None), ("two and a half", None)],
        # Denied, a bound, or no number at all.
        *[("not 3", None), ("more than 3", None), ("over 3", None), ("3 or so", None)],
        *[("the one on the left", None), ("No one", None), ("half", None)],
    ],
)
def test_numbers(text: str, value: float | None) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "span"),
    [
        *[("12.5 - 20.1", [12.5, 20.1]), ("from 12 to 20 seconds", [12.0, 20.0])],
        *[("12.5s to 20s", [12.5, 20.0]), ("0:58 – 1:02.5", [58.0, 62.5])],
        *[("1:00:01-1:00:03", [3601.0, 3603.0]), ("between 3 and 5", [3.0, 5.0])],
        *[("[3, 5]", [3.0, 5.0]), ("<3.0> - <4.0>", [3.0, 4.0]), ("3-5, so 3-5", [3.0, 5.0])],
        *[("4 - 4", [4.0, 4.0])],
        *[("", None), ("at 3 s", None), ("9 - 3", None), ("3-5 and 6-7", None), ("1-2-3", None)],
        *[("9" * 400 + "-" + "9" * 401, None)],
        # Other units are told apart, and other clocks are no answer.
        *[("1.5 - 2.5 minutes", [90.0, 150.0]), ("1 min 30 s - 2 min", [90.0, 120.0])],
        *[("100-200 ms", [0.1, 0.2]), ("2~4", [2.0, 4.0]), ("(2, 4)", [2.0, 4.0])],
        *[("frames 10 to 38", None), ("10-38 frames", None), ("10% to 20%", None)],
        *[("not 2 to 4", None), ("-3 to 4", None), ("1m30s to 2m", None), ("2, 4", None)],
    ],
)
def test_intervals(text: str, span: list[float] | None) -> None:
    assert interval(text) == span


@pytest.mark.parametrize(
    ("text", "given"),
    [
        *[("2, 1, 3", [2, 1, 3]), ("Correct order: 3 1 2.", [3, 1, 2]), ("2>1>3", [2, 1, 3])],
        *[("", None), ("2, 1", None), ("1, 2, 2", None), ("1, 2, 3, 4", None), ("213", None)],
        *[("1, 2, 3 or 3, 2, 1", None), ("9" * 5000, None), ("not 2, 1, 3", None)],
    ],
)
def test_orders(text: str, given: list[int] | None) -> None:
    assert order(text, 3) == given


@given(text=st.text(max_size=80))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for said in (text, f"<answer>{text}</answer>", f"1-{text}", f"{text}:3 to 4"):
        final(said), yes_no(said), number(said), order(said, 3)
        span = interval(said)
        assert span is None or 0 <= span[0] <= span[1] < float("inf")
