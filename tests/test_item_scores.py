from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.item_scores import relative_accuracy


@pytest.mark.parametrize(
    ("given", "truth", "score"),
    [
        (10, 10, 1.0),
        (9.5, 10, 1.0),  # 5 % off is within 1 - 0.95
        (11, 10, 0.9),  # 10 %: all but 0.95
        (12.5, 10, 0.6),  # 25 %: 0.5, 0.55, 0.6, 0.65, 0.7, 0.75
        (5, 10, 0.1),  # 50 %: 0.5 alone
        (4, 10, 0.0),
        (30, 10, 0.0),
        (1, 2, 0.1),
        (0, 0, 1.0),
        (1, 0, 0.0),
    ],
)
def test_relative_accuracy_by_hand(given: float, truth: float, score: float) -> None:
    assert relative_accuracy(given, truth) == pytest.approx(score)


@given(st.floats(0.1, 100), st.floats(0, 100), st.floats(0, 100))
def test_nearer_is_never_worse(truth: float, one: float, other: float) -> None:
    near, far = sorted((one, other), key=lambda given: abs(given - truth))
    assert 0 <= relative_accuracy(far, truth) <= relative_accuracy(near, truth) <= 1
