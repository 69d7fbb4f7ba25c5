from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt

import numpy as np
import numpy.typing as npt
import pytest

from kuleshov.evaluate.statistics import (
    MIN_VIDEOS,
    Difference,
    macro,
    micro,
    paired_difference,
    seed_warning,
)


def difference(
    before: npt.ArrayLike, after: npt.ArrayLike, videos: Sequence[Hashable], draws: int = 10_000
) -> Difference:
    scores = np.stack([np.asarray(before, float), np.asarray(after, float)], axis=1)
    return paired_difference(micro(scores, videos), draws)


def test_mean_of_paired_differences_by_hand() -> None:
    # Differences 0.5, 0, -0.25 and 0.75: mean 0.25.
    result = difference([0, 0.5, 0.5, 0.25], [0.5, 0.5, 0.25, 1], list("abcd"))
    assert result.value == pytest.approx(0.25)
    assert (result.before, result.after) == pytest.approx((0.3125, 0.5625))
    assert result.videos == 4
    # Of the 8 signs of 0.5, 0.25 and 0.75 a sum of 1 or more in size: +++, +-+ and the opposites.
    assert result.p == pytest.approx(4 / 8)


def test_few_videos_have_no_interval_however_many_items() -> None:
    few = [str(i % (MIN_VIDEOS - 1)) for i in range(100)]
    result = difference([0.0] * 100, [1.0] * 100, few)
    assert result.interval is None and result.detectable is None
    assert result.p == pytest.approx(2 / 2**9)
    enough = [str(i % MIN_VIDEOS) for i in range(100)]
    assert difference([0.0] * 100, [1.0] * 100, enough).interval is not None


def test_a_difference_that_never_varies_is_not_sure_for_that() -> None:
    # Of 10 videos none differed; up to 27.75 % may, by one either way. See test_proportions.py.
    result = difference([0.5] * 10, [0.5] * 10, list(range(10)))
    assert result.interval == pytest.approx((-0.277533, 0.277533), abs=1e-6)
    assert result.p == 1 and result.detectable is None
    result = difference([0] * 10, [1] * 10, list(range(10)))
    assert result.interval == pytest.approx((1 - 2 * 0.277533, 1), abs=1e-6)


def test_the_interval_is_near_the_normal_one_for_many_independent_items() -> None:
    rng = np.random.default_rng(0)
    gains = rng.normal(0.1, 0.3, size=400)
    result = difference(np.zeros(400), gains, [str(i) for i in range(400)])
    half = 1.96 * gains.std(ddof=1) / sqrt(400)
    assert result.interval == pytest.approx((gains.mean() - half, gains.mean() + half), abs=0.004)


def test_items_of_one_video_count_as_one_piece_of_evidence() -> None:
    # Twenty videos, each with ten equal items: as wide as with one item for each video.
    rng = np.random.default_rng(1)
    gains = rng.normal(0, 1, size=20)
    names = [str(i) for i in range(20)]
    once = difference(np.zeros(20), gains, names)
    often = difference(np.zeros(200), np.repeat(gains, 10), [n for n in names for _ in range(10)])
    assert once.interval is not None and often.interval is not None
    assert often.interval == pytest.approx(once.interval, abs=0.05)
    assert often.p == pytest.approx(once.p, abs=0.02)


def test_videos_with_more_items_weigh_more() -> None:
    # One video with three items at 1 and nine with one item at 0: 3 / 12.
    videos = ["a"] * 3 + [f"b{i}" for i in range(9)]
    assert difference([0.0] * 12, [1.0] * 3 + [0.0] * 9, videos).value == pytest.approx(0.25)


def test_the_interval_is_the_same_each_time() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.random((2, 50))
    videos = [str(i) for i in range(50)]
    assert difference(before, after, videos) == difference(before, after, videos)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        gains = rng.normal(0.2, 0.5, size=40)
        interval = difference(np.zeros(40), gains, list(range(40)), draws=500).interval
        assert interval is not None
        covered += interval[0] <= 0.2 <= interval[1]
    # 95 % of 200 is 190; a percentile bootstrap of 40 covers a little less.
    assert 178 <= covered <= 200


def test_a_macro_difference_weighs_groups_alike() -> None:
    # x: 1 of 3 gained; y: 1 of 1 gained: (1/3 + 1) / 2.
    scores = [[0, 1], [0, 0], [0, 0], [0, 1]]
    result = paired_difference(macro(scores, list("abcd"), list("xxxy")))
    assert result.value == pytest.approx(2 / 3)
    # Parts 1/6 and 1/2: of four signs ++ and -- are as large.
    assert result.p == pytest.approx(0.5)


def test_seeds_that_disagree_widen_the_interval() -> None:
    rng = np.random.default_rng(4)
    before = rng.random(60)
    gains = 0.2 + rng.normal(0, 0.1, size=60)
    agree = np.stack([before, before + gains, before + gains], axis=1)
    differ = np.stack([before, before + gains - 0.2, before + gains + 0.2], axis=1)
    one, two = (paired_difference(micro(t, list(range(60)))) for t in (agree, differ))
    assert one.interval is not None and two.interval is not None
    assert one.value == pytest.approx(two.value)
    # With seeds at 0 and 0.4, both draws of two hit the same one half of the time.
    assert two.interval[0] < 0.03 and two.interval[1] > 0.37
    assert one.interval[0] > 0.15 and one.interval[1] < 0.25


def test_one_training_seed_is_warned_of() -> None:
    warning = seed_warning(1)
    assert warning is not None and warning.startswith("1 training seed")
    assert seed_warning(3) is None
