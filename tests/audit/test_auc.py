from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.audit.auc import Z, auc, interval, mean_interval


def test_by_hand() -> None:
    # True rows score 3 and 1, false ones 2 and 1: 3 beats both, 1 loses to 2 and ties with 1.
    # Won: 2 + 0 + 1/2 of 4 pairs.
    assert auc(np.array([3.0, 1.0, 2.0, 1.0]), [1, 1, 0, 0]) == pytest.approx(2.5 / 4)


def test_weights_count_rows_several_times() -> None:
    # The tied false row three times: pairs 2 * 4, won 4 by the first, 3/2 by the second.
    weighted = auc(np.array([3.0, 1.0, 2.0, 1.0]), [1, 1, 0, 0], [1, 1, 1, 3])
    assert weighted == pytest.approx(5.5 / 8)


def test_one_group_only_says_nothing() -> None:
    assert auc(np.array([1.0, 2.0]), [1, 1]) == 0.5


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_it_is_the_share_of_pairs_won(rows: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in rows], dtype=float)
    labels = [label for _, label in rows]
    pairs = [(a, b) for a, true in rows if true for b, other in rows if not other]
    won = [(a > b) + (a == b) / 2 for a, b in pairs]
    assert auc(scores, labels) == pytest.approx(np.mean(won) if won else 0.5)


def test_several_sets_of_labels_at_once() -> None:
    scores = np.array([1.0, 2.0, 3.0])
    assert auc(scores, [[0, 0, 1], [1, 0, 0]]).tolist() == [1.0, 0.0]


def test_the_interval_is_that_of_the_theory() -> None:
    # Without any signal the variance of n rows of each kind is (2n + 1) / (12 n^2).
    n = 200
    scores = np.random.default_rng(0).normal(size=2 * n)
    low, high = interval(scores, np.arange(2 * n) < n, np.arange(2 * n), "theory")
    assert (high - low) / 2 == pytest.approx(Z * np.sqrt((2 * n + 1) / (12 * n**2)), rel=0.2)


def test_rows_of_one_video_are_one_piece_of_evidence() -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=60), np.arange(60) < 30
    low, high = interval(scores, labels, np.arange(60), "x")
    again = interval(np.repeat(scores, 5), np.repeat(labels, 5), np.repeat(np.arange(60), 5), "x")
    assert again == pytest.approx((low, high))


def test_the_interval_of_a_mean() -> None:
    # Half ones: standard error 0.5 / sqrt(100) = 0.05.
    low, high = mean_interval((np.arange(100) % 2).astype(np.float64), np.arange(100), "x")
    assert (high - low) / 2 == pytest.approx(Z * 0.05, rel=0.2)
