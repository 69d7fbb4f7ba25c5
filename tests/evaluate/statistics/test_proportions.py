from __future__ import annotations

import pytest
from statsmodels.stats.proportion import proportion_confint

from kuleshov.evaluate.statistics.proportions import alike, wilson


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (1, 7), (50, 100), (0, 1), (311, 900)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_is_that_of_statsmodels(right: int, n: int, level: float) -> None:
    theirs = proportion_confint(right, n, alpha=1 - level, method="wilson")
    assert wilson(right, n, level) == pytest.approx(theirs, abs=1e-12)


def test_wilson_at_none_of_ten_by_hand() -> None:
    # z^2 / (n + z^2) with z = 1.959964: 3.841459 / 13.841459.
    assert wilson(0, 10) == pytest.approx((0, 0.277533), abs=1e-6)
    assert wilson(10, 10) == pytest.approx((1 - 0.277533, 1), abs=1e-6)
    assert (wilson(0, 10)[0], wilson(10, 10)[1]) == (0, 1)


def test_figures_that_never_vary_have_the_interval_of_a_share() -> None:
    assert alike(0, 10, (0, 1)) == pytest.approx(wilson(0, 10))
    assert alike(1, 10, (0, 1)) == pytest.approx(wilson(10, 10))
    # Up to 27.75 % of videos may differ, by -1 or 1: 0.5 * 0.722467 -+ 0.277533.
    assert alike(0.5, 10, (-1, 1)) == pytest.approx((0.083700, 0.638767), abs=1e-6)
