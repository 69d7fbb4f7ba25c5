from __future__ import annotations

import numpy as np
import pytest

from kuleshov.errors import UsageError
from kuleshov.evaluate.statistics.reported import Floats, Reported, macro, micro
from kuleshov.evaluate.time_gain import needs_time, solved, time_gain
from kuleshov.tasks import TASKS

FULL, SINGLE, SHUFFLED = [1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]


def by_item(scores: Floats) -> Reported:
    return micro(scores, list(range(len(scores))))


def test_time_gain_is_what_neither_a_frame_nor_their_heap_explains() -> None:
    gain = time_gain(FULL, SINGLE, SHUFFLED, by_item)
    assert gain == (0.25, None, 0.75, 0.25, 0.5, 4)


def test_about_order_only_a_single_frame_is_taken_off() -> None:
    assert time_gain(FULL, SINGLE, SHUFFLED, by_item, about_order=True) == (
        0.5,
        None,
        0.75,
        0.25,
        None,
        4,
    )
    assert time_gain(FULL, SINGLE, None, by_item, about_order=True).value == 0.5


def test_items_about_order_among_others_count_their_single_frame_twice() -> None:
    # Item b is about order: shuffled 1, 0 (its single), 0, 0.
    gain = time_gain(FULL, SINGLE, SHUFFLED, by_item, about_order=[False, True, False, False])
    assert gain.value == 0.5 and gain.shuffled == 0.25
    with pytest.raises(UsageError, match="needs the condition shuffled"):
        time_gain(FULL, SINGLE, None, by_item, about_order=[False, True, False, False])


def test_the_larger_control_is_that_of_each_draw() -> None:
    # Two kinds of videos: half have single 1 and shuffled 0, half the other way; full is 1. In
    # all, either control has 0.5, but in a draw the larger one has more: the gain lies below 0.5.
    n = 40
    single = np.arange(n) % 2
    gain = time_gain(np.ones(n), single, 1 - single, by_item, draws=4000)
    assert gain.value == 0.5 and gain.interval is not None
    # max(k, 40 - k) / 40 with k binomial (40, 1/2): between 20 and, in 95 %, about 26.
    assert gain.interval == pytest.approx((1 - 26.5 / 40, 0.5), abs=0.03)
    assert gain.interval[1] <= 0.5 + 1e-9


def test_time_gain_of_groups_weighs_them_alike() -> None:
    # x: full 1, single 0 of 3 items; y: full 0, single 0 of 1: gain (1 + 0) / 2.
    gain = time_gain([1, 1, 1, 0], [0] * 4, [0] * 4, lambda s: macro(s, list("abcd"), list("xxxy")))
    assert gain.value == 0.5


def test_a_gain_of_all_videos_alike_is_not_sure_for_that() -> None:
    gain = time_gain([1] * 10, [0] * 10, [0] * 10, by_item)
    # Up to 27.75 % of videos may differ, by -1: see test_proportions.py.
    assert gain.value == 1 and gain.interval == pytest.approx((1 - 2 * 0.277533, 1), abs=1e-6)


def test_an_item_needs_time_if_nothing_else_gets_it_right() -> None:
    full = np.array([True, True, True, False, True])
    single = np.array([False, True, False, False, True])
    shuffled = np.array([False, False, True, False, True])
    assert needs_time(full, single, shuffled).tolist() == [True, False, False, False, False]


def test_an_item_is_solved_if_most_repeats_are_right() -> None:
    assert solved([[1, 1, 0], [1, 0, 0], [1, 1, 1]]).tolist() == [True, False, True]
    assert solved([[1, 0]]).tolist() == [False]
    assert solved([0.5, 0.5, 0.4], [0.5, 1.0, 0.5]).tolist() == [True, False, False]


def test_tasks_say_whether_they_are_about_order() -> None:
    assert {name for name, task in TASKS.items() if task.about_order} == {
        "arrow",
        "jigsaw",
        "masked",
        "text_frames",
        "text_order",
    }
    assert {name for name, task in TASKS.items() if task.right_from < 1} == {
        "anomaly",
        "appearance",
    }
