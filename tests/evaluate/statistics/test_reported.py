from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.evaluate.statistics import all_right, macro, micro


def test_micro_is_the_mean_over_items_whatever_their_video() -> None:
    # (1 + 1 + 0 + 0.5) / 4 and (0 + 1 + 0 + 0) / 4.
    scores = np.array([[1, 0], [1, 1], [0, 0], [0.5, 0]])
    reported = micro(scores, ["a", "a", "a", "b"])
    assert reported.value() == pytest.approx([0.625, 0.25])
    assert (reported.videos, reported.columns) == (2, 2)


def test_macro_is_the_mean_of_the_means_of_groups() -> None:
    # Group x: (1 + 0 + 0.5) / 3 = 0.5; y: 1. Mean 0.75, where micro has 2.5 / 4.
    reported = macro([1, 0, 0.5, 1], ["a", "b", "c", "a"], ["x", "x", "x", "y"])
    assert reported.value() == pytest.approx([0.75])


def test_a_set_is_right_if_all_of_it_is() -> None:
    # Pairs p, q, r: right, half right, wrong. Column 2: all right.
    scores = np.array([[1, 1], [1, 1], [1, 1], [0, 1], [0, 1], [0.9, 1]])
    reported = all_right(scores, list("aabbcc"), list("ppqqrr"))
    assert reported.value() == pytest.approx([1 / 3, 1])
    assert reported.videos == 3


def test_group_scores_are_averaged_over_groups_of_sets() -> None:
    # x holds the sets p (right) and q (wrong), y holds r (right): (1/2 + 1) / 2.
    reported = all_right([1, 1, 1, 0, 1], list("aabbc"), list("ppqqr"), list("xxxxy"))
    assert reported.value() == pytest.approx([0.75])


def test_right_is_from_a_threshold_on() -> None:
    assert all_right([0.5, 0.4], ["a", "b"], ["p", "q"], right=0.5).value() == pytest.approx([0.5])


def test_videos_of_a_set_are_drawn_together() -> None:
    # p joins a and b, q joins b and c; d is alone: two videos to draw from.
    reported = all_right([1] * 5, list("abbcd"), list("ppqqr"))
    assert reported.videos == 2
    # Sets p and q lie in the first of them, r in the second.
    assert sorted(reported.counts.sum(axis=1)) == [1, 2]


def test_a_draw_counts_each_video_with_all_of_its_items() -> None:
    # a: x 1, y 0; b: x 0. Weights 2 and 1: x = (2 * 1 + 0) / 3, y = 0 / 2: mean 1/3.
    reported = macro([1, 0, 0], ["a", "a", "b"], ["x", "y", "x"])
    # Weights 0 and 1: y has no item, and x alone counts: 0.
    drawn = reported.weighted(np.array([[2.0, 1.0], [0.0, 1.0], [1.0, 0.0]]))
    assert drawn[:, 0] == pytest.approx([1 / 3, 0, 1 / 2])


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=30
    )
)
def test_contributions_add_up_to_the_figure(rows: list[tuple[float, int, int]]) -> None:
    scores, videos, groups = zip(*rows, strict=True)
    for reported in (micro(scores, videos), macro(scores, videos, groups)):
        assert reported.contributions().sum(axis=0) == pytest.approx(reported.value())
    means = [np.mean([s for s, _, g in rows if g == group]) for group in set(groups)]
    assert macro(scores, videos, groups).value() == pytest.approx([np.mean(means)])


def test_what_is_no_score_is_refused() -> None:
    with pytest.raises(UsageError, match="not finite"):
        micro([float("nan")], ["a"])
    with pytest.raises(UsageError, match="2 scores, 1 videos and 1 groups"):
        micro([1, 0], ["a"])
    with pytest.raises(UsageError, match="0 scores"):
        micro([], [])
    with pytest.raises(UsageError, match="'p' is in the groups 'x' and 'y'"):
        all_right([1, 1], ["a", "a"], ["p", "p"], ["x", "y"])
