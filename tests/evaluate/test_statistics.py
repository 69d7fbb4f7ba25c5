from __future__ import annotations

import numpy as np
import pytest

from kuleshov.evaluate.statistics import MIN_VIDEOS, paired_difference


def test_mean_of_paired_differences_by_hand() -> None:
    # Differences 0.5, 0, -0.25 and 0.75: mean 0.25.
    result = paired_difference([0, 0.5, 0.5, 0.25], [0.5, 0.5, 0.25, 1], list("abcd"))
    assert result.mean == pytest.approx(0.25)
    assert result.videos == 4


def test_few_videos_have_no_interval_however_many_items() -> None:
    few = [str(i % (MIN_VIDEOS - 1)) for i in range(100)]
    assert paired_difference([0.0] * 100, [1.0] * 100, few).interval is None
    enough = [str(i % MIN_VIDEOS) for i in range(100)]
    assert paired_difference([0.0] * 100, [1.0] * 100, enough).interval == (1.0, 1.0)


def test_the_interval_is_near_the_normal_one_for_many_independent_items() -> None:
    rng = np.random.default_rng(0)
    gains = rng.normal(0.1, 0.3, size=400)
    result = paired_difference(np.zeros(400), gains, [str(i) for i in range(400)])
    half = 1.96 * gains.std(ddof=1) / np.sqrt(400)
    assert result.interval == pytest.approx((gains.mean() - half, gains.mean() + half), abs=0.004)


def test_items_of_one_video_count_as_one_piece_of_evidence() -> None:
    # Twenty videos, each with ten equal items: as wide as with one item for each video.
    rng = np.random.default_rng(1)
    gains = rng.normal(0, 1, size=20)
    names = [str(i) for i in range(20)]
    once = paired_difference(np.zeros(20), gains, names).interval
    often = paired_difference(np.zeros(200), np.repeat(gains, 10), np.repeat(names, 10)).interval
    assert once is not None and often is not None
    assert often == pytest.approx(once, abs=0.05)


def test_videos_with_more_items_weigh_more() -> None:
    # One video with three items at 1 and nine with one item at 0: 3 / 12.
    videos = ["a"] * 3 + [f"b{i}" for i in range(9)]
    result = paired_difference([0.0] * 12, [1.0] * 3 + [0.0] * 9, videos)
    assert result.mean == pytest.approx(0.25)


def test_the_interval_is_the_same_each_time() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.random((2, 50))
    videos = [str(i) for i in range(50)]
    assert paired_difference(before, after, videos) == paired_difference(before, after, videos)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        gains = rng.normal(0.2, 0.5, size=40)
        interval = paired_difference(
            np.zeros(40), gains, [str(i) for i in range(40)], draws=500
        ).interval
        assert interval is not None
        covered += interval[0] <= 0.2 <= interval[1]
    # 95 % of 200 is 190; a percentile bootstrap of 40 covers a little less.
    assert 178 <= covered <= 200
