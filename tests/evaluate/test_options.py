from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.evaluate.options import Options, circular, letter_shares, shuffled
from kuleshov.evaluate.statistics import all_right, micro

PETS = Options(("cat", "dog", "eel"), right=1)


def test_rotations_by_hand() -> None:
    assert [(o.texts, o.letter) for o in circular(PETS)] == [
        (("cat", "dog", "eel"), "B"),
        (("dog", "eel", "cat"), "A"),
        (("eel", "cat", "dog"), "C"),
    ]


@given(st.integers(2, 26), st.data())
def test_each_option_has_each_letter_once(n: int, data: st.DataObject) -> None:
    options = Options(tuple(map(str, range(n))), data.draw(st.integers(0, n - 1)))
    turned = circular(options)
    for place in range(n):
        assert {o.texts[place] for o in turned} == set(options.texts)
    for o in turned:
        assert o.texts[o.letters.index(o.letter)] == options.texts[options.right]
        assert [options.texts[o.source(letter)] for letter in o.letters] == list(o.texts)


def test_a_model_that_always_says_a_fails_every_circle() -> None:
    turned = circular(PETS)
    scores = [float(o.letter == "A") for o in turned]
    assert micro(scores, ["v"] * 3).value()[0] == pytest.approx(1 / 3)  # the soft score
    assert all_right(scores, ["v"] * 3, ["q"] * 3).value()[0] == 0


def test_a_shuffle_belongs_to_its_seed_and_item() -> None:
    assert shuffled(PETS, 0, "a") == shuffled(PETS, 0, "a")
    orders = Counter(shuffled(PETS, 0, str(i)).order for i in range(600))
    # Six orders, 100 times each; a standard deviation is 9.
    assert len(orders) == 6 and all(60 < count < 140 for count in orders.values())
    assert shuffled(PETS, 0, "a").texts != shuffled(PETS, 3, "a").texts


def test_arranging_twice_still_knows_where_options_come_from() -> None:
    twice = PETS.arranged([2, 0, 1]).arranged([1, 0, 2])
    assert twice.texts == ("cat", "eel", "dog") and twice.letter == "C"
    assert [twice.source(letter) for letter in "ABC"] == [0, 2, 1]


def test_letters_are_counted_with_those_that_were_not_given() -> None:
    assert letter_shares(["B", None, "B", "A"]) == {"": 0.25, "A": 0.25, "B": 0.5}


def test_what_are_no_options_is_refused() -> None:
    with pytest.raises(UsageError, match="1 options with the right one at 0"):
        Options(("cat",), 0)
    with pytest.raises(UsageError, match="3 options with the right one at 3"):
        Options(("cat", "dog", "eel"), 3)
    with pytest.raises(UsageError, match=r"'D' is no option; allowed: A, B, C"):
        PETS.source("D")
    with pytest.raises(UsageError, match="no order of 3 options"):
        PETS.arranged([0, 0, 1])
