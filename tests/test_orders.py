from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.orders import ORDERS, longest_increasing
from tests.test_synthesize import compensated, naive


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        # Truth 5 2 7, given 2 7 5.
        ("position", 0),  # nothing at its place
        ("prefix", 0),  # the first is wrong
        ("lcs", 2 / 3),  # 2 7
        ("pairs", 1 / 3),  # of (5,2), (5,7), (2,7) only the last is in order
    ],
)
def test_rewards_of_a_rotation(order: str, expected: float) -> None:
    assert ORDERS[order]([2, 7, 5], [5, 2, 7]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        # Truth 5 2 7, given 5 9 7: 9 is a distractor.
        ("position", 2 / 3),
        ("prefix", 1 / 3),
        ("lcs", 2 / 3),
        ("pairs", 1 / 3),  # only (5,7) is there: missing ones count as out of order
    ],
)
def test_rewards_with_a_distractor(order: str, expected: float) -> None:
    assert ORDERS[order]([5, 9, 7], [5, 2, 7]) == pytest.approx(expected)


@given(
    st.permutations(range(7)).map(lambda p: p[:4]),
    st.permutations(range(7)).map(lambda p: p[:4]),
    st.sampled_from(sorted(ORDERS)),
)
def test_rewards_are_in_range_and_one_for_the_truth_only(
    answer: list[int], truth: list[int], order: str
) -> None:
    reward = ORDERS[order](answer, truth)
    assert 0 <= reward <= 1 and (reward == 1) == (answer == truth)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("length", "pool"), [(1, 1), (1, 4), (2, 3), (3, 3), (3, 6), (4, 7)])
def test_chance_is_the_mean_over_all_sequences(order: str, length: int, pool: int) -> None:
    reward, truth = ORDERS[order], list(range(length))
    earned = [reward(s, truth) for s in permutations(range(pool), length)]
    assert reward.chance(length, pool) == pytest.approx(sum(earned) / len(earned))


@pytest.mark.parametrize("order", sorted(ORDERS))
def test_chance_is_the_same_by_the_sums_of_every_python(
    order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = [(length, pool) for pool in range(2, 13) for length in range(1, pool + 1)]
    found = []
    for algorithm in (naive, compensated):
        with monkeypatch.context() as patched:
            patched.setattr("builtins.sum", algorithm)
            found.append([ORDERS[order].chance(*shape) for shape in shapes])
    assert found[0] == found[1]


def test_chance_by_hand() -> None:
    # K = 2 of P = 4, 12 sequences. Position 1/4. Prefix: (1/4 + 1/12) / 2. Pairs: both picked
    # in order, 1/12. LCS: both in order 1/12, exactly one hit or both reversed (9/12) half.
    assert ORDERS["position"].chance(2, 4) == 1 / 4
    assert ORDERS["prefix"].chance(2, 4) == pytest.approx(1 / 6)
    assert ORDERS["pairs"].chance(2, 4) == pytest.approx(1 / 12)
    assert ORDERS["lcs"].chance(2, 4) == pytest.approx(1 / 12 + 9 / 12 / 2)


def test_the_longest_increasing_subsequence_of_a_random_permutation() -> None:
    # Of 3: 3 once (123), 1 once (321), 2 for the other four: (3 + 1 + 8) / 6.
    assert longest_increasing(3) == 2
    # Of 4, by length (OEIS A047874): 1, 13, 9, 1 permutations: (1 + 26 + 27 + 4) / 24.
    assert longest_increasing(4) == pytest.approx(58 / 24)
