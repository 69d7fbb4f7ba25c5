from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.sample import Frame
from kuleshov.tasks.perturbations import respaced, restored, shuffled, stuttered, swapped


def frames(video: str = "v", first: float = 10.0, step: float = 1.0) -> tuple[Frame, ...]:
    return tuple(Frame(video, first + i * step, i * 1.0) for i in range(10))


def source(some: tuple[Frame, ...]) -> list[float]:
    return [frame.source_seconds for frame in some]


def test_a_fast_segment_starts_at_its_own_frame_and_jumps_back() -> None:
    moved = respaced(frames(), 2, 6, 2.0)
    assert source(moved) == [10, 11, 12, 14, 16, 18, 16, 17, 18, 19]
    assert [frame.shown_seconds for frame in moved] == list(range(10))


def test_a_slow_segment_starts_at_its_own_frame_and_jumps_ahead() -> None:
    assert source(respaced(frames(), 2, 6, 0.5)) == [10, 11, 12, 12.5, 13, 13.5, 16, 17, 18, 19]


def test_a_fast_segment_near_the_end_starts_earlier() -> None:
    # Three steps of 2 s end at 19, where the video ends, so they start at 13 and not at 16.
    assert source(respaced(frames(), 6, 10, 2.0))[6:] == [13, 15, 17, 19]


def test_swapped_frames_keep_the_clock() -> None:
    mixed = swapped(frames(), frames("w", 100.0, 3.0), 8, 10)
    assert mixed[:8] == frames()[:8]
    assert mixed[8:] == (Frame("w", 124.0, 8.0), Frame("w", 127.0, 9.0))


@given(st.integers(0, 7), st.integers(1, 3), st.floats(0.1, 3))
def test_restoring_undoes_what_was_moved(start: int, length: int, rate: float) -> None:
    stop = start + length
    assert restored(respaced(frames(), start, stop, rate), start, stop) == frames()
    assert restored(swapped(frames(), frames("w"), start, stop), start, stop) == frames()


@pytest.mark.parametrize(
    ("length", "holds", "order"),
    [
        # linspace(0, 7, 2) is 0, 7, each 4 times.
        (8, 2, [0, 0, 0, 0, 7, 7, 7, 7]),
        # linspace(0, 8, 4) is 0, 2.67, 5.33, 8, cut to integers; 9 mod 4 = 1 is repeated more.
        (9, 4, [0, 0, 0, 2, 2, 5, 5, 8, 8]),
        (8, 5, [0, 0, 1, 1, 3, 3, 5, 7]),
        (4, 5, [0, 0, 1, 3]),  # three holds: five in four frames would freeze nothing
        (2, 5, [0, 0]),
    ],
)
def test_stutter_by_hand(length: int, holds: int, order: list[int]) -> None:
    assert stuttered(length, holds) == order


@given(st.integers(2, 30), st.integers(2, 5))
def test_a_stutter_holds_frames_of_the_segment_in_order(length: int, holds: int) -> None:
    order = stuttered(length, holds)
    assert len(order) == length and order == sorted(order) and order[0] == 0
    assert len(set(order)) == min(holds, length - 1)
    assert set(order) < set(range(length))


@given(st.integers(2, 16), st.booleans(), st.integers(0, 1000))
def test_a_shuffle_keeps_the_frames_and_moves_some(length: int, ends: bool, seed: int) -> None:
    order = shuffled(length, ends, np.random.default_rng(seed))
    assert sorted(order) == list(range(length)) != order
    if ends:
        assert order[0] != 0 and order[-1] != length - 1
