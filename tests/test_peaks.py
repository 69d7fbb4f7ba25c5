from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import find_peaks, peak_prominences

from kuleshov.errors import UsageError
from kuleshov.peaks import Peaks, maxima, prominence, smoothed

STRICT = Peaks.paper()
curves = st.lists(st.integers(-3, 3).map(float), max_size=30)


def test_the_paper_takes_every_strict_local_maximum_and_the_ends() -> None:
    # 0.4 > 0.1 at the start; 0.7 > 0.1, 0.3; 0.5 > 0.3, 0.2; 0.6 > 0.2 at the end.
    assert STRICT([0.4, 0.1, 0.7, 0.3, 0.5, 0.2, 0.6]) == [0, 2, 4, 6]


def test_the_ends_can_be_left_out() -> None:
    inner = Peaks(smoothing=1, prominence=0, width=0, ends=False)
    assert inner([0.4, 0.1, 0.7, 0.3, 0.5, 0.2, 0.6]) == [2, 4]


@pytest.mark.parametrize(
    ("plateau", "keys"), [("first", [1, 5]), ("none", [5]), ("all", [1, 2, 3, 5])]
)
def test_a_plateau_counts_by_its_rule(plateau: str, keys: list[int]) -> None:
    peaks = Peaks(smoothing=1, prominence=0, width=0, plateau=plateau)  # type: ignore[arg-type]
    assert peaks([0, 1, 1, 1, 0, 2, 0]) == keys


def test_a_step_on_the_way_up_is_no_maximum() -> None:
    assert Peaks(smoothing=1, prominence=0, width=0)([0, 1, 1, 2, 0]) == [3]


@pytest.mark.parametrize("curve", [[], [1.0], [2.0, 2.0, 2.0]])
def test_a_flat_curve_has_no_maximum(curve: list[float]) -> None:
    assert Peaks()(curve) == STRICT(curve) == []


def test_two_frames_have_the_higher_one() -> None:
    assert STRICT([1.0, 2.0]) == [1]


def test_smoothing_is_a_centred_mean_of_what_there_is() -> None:
    # (0+3)/2, (0+3+0)/3, (3+0+6)/3, (0+6+0)/3, (6+0)/2
    assert smoothed(np.array([0.0, 3, 0, 6, 0]), 3).tolist() == [1.5, 1, 3, 2, 3]


def test_small_maxima_go_by_their_prominence() -> None:
    # Range 10. Over the higher of the two lowest points beside them: 10 - 1 at 1, 4 - 3 at 3,
    # 7 - 3 at 5. The last one, at an end, has one side: 2 - 1.
    curve = [0, 10, 3, 4, 3, 7, 1, 2]
    kept = [Peaks(smoothing=1, prominence=p, width=0)(curve) for p in (0, 0.1, 0.2, 0.5, 0.9, 1)]
    assert kept == [[1, 3, 5, 7], [1, 3, 5, 7], [1, 5], [1], [1], []]


def test_of_too_many_the_highest_are_kept_and_of_equal_ones_the_earlier() -> None:
    peaks = Peaks(smoothing=1, prominence=0, width=0, most=2)
    assert peaks([0, 1, 0, 3, 0, 1, 0]) == [1, 3]


def test_a_noisy_curve_has_a_strict_maximum_at_every_third_frame() -> None:
    # Of three values that are drawn alike, each is the largest as often: 998/3 and the two ends.
    curve = np.random.default_rng(0).normal(size=1000)
    assert 300 < len(STRICT(curve)) < 367
    assert len(Peaks(smoothing=5, prominence=0.5, width=0)(curve)) < 60


def test_a_wide_maximum_takes_along_what_is_beside_it() -> None:
    # 10 stands out by 10: half of it above 5. 9 is parted by 2 from what is higher, so it stands
    # out by 7: above 5.5. At the full width 10 takes all above 0.
    curve = [0, 7, 10, 6, 2, 9, 5, 0]
    assert Peaks(smoothing=1, prominence=0, width=0.5)(curve) == [1, 2, 3, 5]
    assert Peaks(smoothing=1, prominence=0, width=1)(curve) == [1, 2, 3, 4, 5, 6]


@given(curves)
def test_inner_maxima_are_those_of_scipy(values: list[float]) -> None:
    curve = np.array(values)
    _, found = find_peaks(curve, plateau_size=1)
    theirs = zip(found["left_edges"].tolist(), (found["right_edges"] + 1).tolist(), strict=True)
    assert [(a, b) for a, b in maxima(curve) if a > 0 and b < len(curve)] == list(theirs)


@given(curves)
def test_prominences_are_those_of_scipy(values: list[float]) -> None:
    curve = np.array(values)
    runs = [(a, b) for a, b in maxima(curve) if a > 0 and b < len(curve)]
    if runs:
        theirs = peak_prominences(curve, [a for a, _ in runs])[0]
        assert [prominence(curve, run) for run in runs] == theirs.tolist()


@given(curves)
def test_strict_maxima_are_never_neighbours(values: list[float]) -> None:
    assert all(b - a > 1 for a, b in pairwise(STRICT(values)))


@pytest.mark.parametrize(
    ("knob", "value", "allowed"),
    [
        ("smoothing", 2, "odd numbers from 1"),
        ("prominence", 1.5, "0 to 1"),
        ("width", -0.1, "0 to 1"),
        ("most", 0, "1 or more"),
        ("plateau", "last", "first, none, all"),
    ],
)
def test_a_knob_out_of_range_is_refused(knob: str, value: object, allowed: str) -> None:
    with pytest.raises(UsageError, match=allowed):
        Peaks(**{knob: value})  # type: ignore[arg-type]
