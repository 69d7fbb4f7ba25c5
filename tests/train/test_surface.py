from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.train.surface import PARTS, surface_reward


@pytest.mark.parametrize(
    ("text", "part", "want"),
    [
        ("", "length", 0.0),
        ("one", "length", 1.0),
        ("a b c d", "length", 1.0),
        ("a b c d e", "length", 0.75),  # 2 - 5 / 4
        ("a b c d e f g h", "length", 0.0),  # 2 - 8 / 4
        ("a b c d e f g h i", "length", 0.0),
        ("<answer>1</answer>", "format", 1.0),
        ("1", "format", 0.0),
        ("<answer>1</answer><answer>2</answer>", "format", 0.0),
        ("", "fluency", 0.0),
        ("a a", "fluency", 1.0),
        ("a b c d", "fluency", 1.0),  # abc bcd
        ("a A a a", "fluency", 0.5),  # aaa aaa
        ("a b a b a b", "fluency", 0.5),  # aba bab aba bab
    ],
)
def test_each_part_by_hand(text: str, part: str, want: float) -> None:
    assert PARTS[part](text, "tagged", 4) == pytest.approx(want)


def test_the_reward_is_the_mean_of_the_parts_that_are_switched_on() -> None:
    # length 0.75, format 0, fluency 1
    text = "a b c d e"
    assert surface_reward(text, "tagged", ["length"], 4) == 0.75
    assert surface_reward(text, "tagged", ["length", "format"], 4) == 0.375
    assert surface_reward(text, "tagged", list(PARTS), 4) == pytest.approx(1.75 / 3)


@given(st.text(), st.sampled_from(["tagged", "direct"]), st.integers(1, 50))
def test_it_is_in_the_unit_interval(text: str, form: str, words: int) -> None:
    assert 0 <= surface_reward(text, form, list(PARTS), words) <= 1  # type: ignore[arg-type]
