from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats import contingency_tables

from kuleshov.evaluate.statistics import mcnemar, sign_flip
from kuleshov.evaluate.statistics.significance import EXACT_UP_TO


def test_mcnemar_by_hand() -> None:
    # Gained 4, lost 1: 2 * (C(5,0) + C(5,1)) / 2^5 = 12 / 32.
    before = [0, 0, 0, 0, 1, 1, 0]
    after = [1, 1, 1, 1, 0, 1, 0]
    assert mcnemar(before, after) == (4, 1, 12 / 32)
    assert mcnemar([1, 0], [0, 1]) == (1, 1, 1.0)
    assert mcnemar([1, 1], [1, 1]) == (0, 0, 1.0)


@pytest.mark.parametrize("n", [8, 60, 3000])
def test_mcnemar_is_that_of_statsmodels(n: int) -> None:
    rng = np.random.default_rng(n)
    before, after = rng.random(n) < 0.5, rng.random(n) < 0.55
    cells = [[int((before == b)[after == a].sum()) for a in (1, 0)] for b in (1, 0)]
    theirs = contingency_tables.mcnemar(cells, exact=True)
    assert mcnemar(before, after).p == pytest.approx(theirs.pvalue)


def test_sign_flips_by_hand() -> None:
    # 3, 2 and -1 sum to 4; of 8 signs +++ (6), ++- (4) and their opposites are as large.
    assert sign_flip([3, 2, -1]) == pytest.approx(4 / 8)
    assert sign_flip([1, 1, 1, 1, 1, 0]) == pytest.approx(2 / 32)
    assert sign_flip([0, 0]) == 1


def test_exact_sign_flips_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.random((2, 11))
    theirs = stats.permutation_test(
        (after, before),
        lambda a, b: float(np.sum(a - b)),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=False,
    )
    assert sign_flip(after - before) == pytest.approx(theirs.pvalue)


def test_with_one_binary_item_for_each_video_sign_flips_are_mcnemar() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.random((2, 20)) < [[0.4], [0.6]]
    exact = mcnemar(before, after)
    assert exact.gained + exact.lost <= EXACT_UP_TO
    assert sign_flip(after.astype(int) - before) == pytest.approx(exact.p)


def test_sampled_sign_flips_are_near_the_exact_ones_and_never_zero() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.random((2, 200)) < [[0.45], [0.55]]
    exact = mcnemar(before, after)
    assert exact.gained + exact.lost > EXACT_UP_TO
    gains = after.astype(int) - before
    # 10,000 draws: a standard error of sqrt(p (1 - p) / 10,000), at most 0.005.
    assert sign_flip(gains) == pytest.approx(exact.p, abs=0.02)
    assert sign_flip(gains) == sign_flip(gains)
    assert sign_flip([1.0] * 100, draws=999) == 1 / 1000


def test_sampled_sign_flips_are_near_those_of_scipy() -> None:
    rng = np.random.default_rng(3)
    gains = rng.normal(0.15, 1, size=100)
    theirs = stats.permutation_test(
        (gains, np.zeros(100)),
        lambda a, b, axis: np.sum(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=9999,
        vectorized=True,
        rng=np.random.default_rng(4),
    )
    assert sign_flip(gains) == pytest.approx(theirs.pvalue, abs=0.02)
