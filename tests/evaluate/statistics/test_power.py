from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower

from kuleshov.evaluate.statistics import micro, minimum_detectable, paired_difference, sign_flip


def test_by_hand() -> None:
    # 1.959964 + 0.841621.
    assert minimum_detectable(1.0) == pytest.approx(2.801585, abs=1e-6)


@pytest.mark.parametrize(("n", "level", "power"), [(50, 0.05, 0.8), (400, 0.01, 0.9)])
def test_it_is_the_effect_that_statsmodels_solves_for(n: int, level: float, power: float) -> None:
    # One sample of n with deviation 1: ratio 0 says that there is no second one.
    theirs = NormalIndPower().solve_power(nobs1=n, alpha=level, power=power, ratio=0)
    assert minimum_detectable(1 / sqrt(n), level, power) == pytest.approx(theirs, rel=1e-4)


def test_a_paired_difference_takes_the_spread_of_videos() -> None:
    rng = np.random.default_rng(0)
    gains = rng.normal(0, 0.4, size=100)
    table = np.stack([np.zeros(100), gains], axis=1)
    found = paired_difference(micro(table, list(range(100)))).detectable
    assert found == pytest.approx(2.801585 * gains.std() / 10, rel=0.03)


def test_a_difference_of_this_size_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(1)
    effect = minimum_detectable(0.5 / sqrt(60))
    trials = [rng.normal(effect, 0.5, size=60) for _ in range(200)]
    found = sum(sign_flip(gains, draws=400) < 0.05 for gains in trials)
    assert 143 <= found <= 177  # 160, give or take 3 of sqrt(200 * 0.8 * 0.2) = 5.7
