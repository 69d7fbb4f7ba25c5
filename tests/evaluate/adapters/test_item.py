from __future__ import annotations

import pytest

from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.item import chosen, lettered, split_lines


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        *[(answer, "B") for answer in ("B", "(B)", "B.", "B. a dog", "a dog", "A Dog.")],
        # The letter wins where two options read the same.
        *[(answer, "C") for answer in ("C", "C. a cat")],
        *[(answer, "A") for answer in ("A. a cat", "a cat")],
    ],
)
def test_the_right_option_is_named_by_letter_or_text(answer: str, letter: str) -> None:
    options = chosen(["A. a cat", "B. a dog", "C. a cat"], answer, "row 1")
    assert options.letter == letter and options.texts == ("a cat", "a dog", "a cat")


@pytest.mark.parametrize("answer", ["D", "an eel", "", "None"])
def test_an_answer_that_is_no_option_is_refused(answer: str) -> None:
    with pytest.raises(UsageError, match="row 1: answer"):
        chosen(["a cat", "a dog"], answer, "row 1")


def test_a_letter_alone_is_a_letter_even_where_options_are_letters() -> None:
    assert chosen(["C", "B", "A"], "A", "row 1").right == 0
    assert chosen(["A. C", "B. B", "C. A"], "A", "row 1").texts == ("C", "B", "A")


@pytest.mark.parametrize(
    "options",
    [["B. a dog", "A. a cat"], ["(B)a dog", "(A)a cat"], ["B. a dog", "A. a cat", "neither"]],
)
def test_letters_out_of_order_are_refused(options: list[str]) -> None:
    with pytest.raises(UsageError, match=r"row 1: answer .*leave the letters out"):
        chosen(options, "B", "row 1")


def test_letters_out_of_order_in_lines_are_refused() -> None:
    _, options = split_lines("What is it?\nB. a dog\nA. a cat")
    with pytest.raises(UsageError, match=r"row 1: answer .*leave the letters out"):
        chosen(options, "B", "row 1")


def test_what_only_looks_like_a_letter_stays() -> None:
    assert chosen(["E. coli", "yeast"], "E. coli", "row 1").texts == ("E. coli", "yeast")
    assert chosen(["E. coli", "yeast"], "E. coli", "row 1").right == 0


def test_of_a_letter_and_a_text_that_do_not_agree_the_text_counts() -> None:
    assert chosen(["A. a cat", "B. a dog"], "A. a dog", "row 1").letter == "B"
    assert chosen(["A. a cat", "B. a dog"], "B. a hound", "row 1").letter == "B"


def test_lines_are_split_and_put_together_again() -> None:
    question, options = split_lines("Look at it.\nWhat is it?\n(A) a cat\n(B) a dog")
    assert question == "Look at it.\nWhat is it?"
    assert lettered(chosen(options, "B", "row 1"), "({}) ") == "(A) a cat\n(B) a dog"
