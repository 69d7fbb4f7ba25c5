from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.sampling import (
    consecutive,
    decimals_for,
    fit_size,
    too_short,
    uniform,
    uniform_in,
)
from tests.conftest import a_video


def test_uniform_takes_the_middle_of_each_slot() -> None:
    # [0, 6) in 3 slots of 2 s: middles at 1, 3, 5.
    assert uniform(0, 6, 3).seconds() == [1, 3, 5]


def test_shown_clock_starts_at_zero_and_is_even() -> None:
    frames = uniform(100, 106, 3).frames(a_video(end=200))
    assert [frame.shown_seconds for frame in frames] == [0, 2, 4]
    assert [frame.source_seconds for frame in frames] == [101, 103, 105]


def test_trim_leaves_out_both_ends() -> None:
    # 5 % of 10 s at each end: [0.5, 9.5) in 9 slots of 1 s.
    assert uniform_in(a_video(), 9, 0.05).seconds() == pytest.approx([1, 2, 3, 4, 5, 6, 7, 8, 9])


def test_consecutive_clips_share_the_frames_of_the_whole_and_lose_their_ends() -> None:
    # [0, 8) in two clips of 2 frames; with a quarter of 4 s left out at each end, [1, 3) and
    # [5, 7) in slots of 1 s.
    first, second = consecutive(uniform(0, 8, 4), 2, 0.25)
    assert first.seconds() == [1.5, 2.5] and second.seconds() == [5.5, 6.5]


def test_start_offset_moves_the_window() -> None:
    assert uniform_in(a_video(start=3.7, end=13.7), 9, 0.05).first == pytest.approx(4.7)


def test_trim_shrinks_until_every_frame_is_different() -> None:
    # 48 frames of 1/20 s and 48 wanted: no trim, one time in the middle of each frame.
    clip = uniform_in(a_video(num_frames=48, end=2.4), 48, 0.05)
    assert clip.step == pytest.approx(0.05)
    assert clip.first == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("seconds", "frames", "reason"),
    [
        (2.5, 48, None),
        (1.9, 48, "1.90 s long, needs 2 s (knob min_seconds)"),
        (2.5, 47, "47 decodable frames, needs 48 (knob min_frames)"),
    ],
)
def test_too_short_says_what_is_missing(seconds: float, frames: int, reason: str | None) -> None:
    assert too_short(a_video(num_frames=frames, end=seconds), 2.0, 48) == reason


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        # 1920 x 1080 to 256^2: scale 0.1778, 341.3 x 192 -> 352 x 192 is too large -> 320 x 192.
        (1920, 1080, (192, 320)),
        (1080, 1920, (320, 192)),
        (256, 256, (256, 256)),
        # 50 x 50 is enlarged to 128 x 128.
        (50, 50, (128, 128)),
        # Between the limits a picture keeps its size, up to rounding to 32.
        (200, 160, (160, 192)),
        # The upper limit also holds for a strip.
        (4000, 10, (32, 2048)),
    ],
)
def test_fit_size(width: int, height: int, expected: tuple[int, int]) -> None:
    limits = {"min_pixels": 128 * 128, "max_pixels": 256 * 256, "multiple": 32}
    assert fit_size(width, height, **limits) == expected


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([2, 28, 32]))
def test_fit_size_keeps_its_limits(width: int, height: int, multiple: int) -> None:
    rows, columns = fit_size(
        width, height, min_pixels=128 * 128, max_pixels=256 * 256, multiple=multiple
    )
    assert rows % multiple == columns % multiple == 0
    assert 0 < rows * columns <= 256 * 256


@given(st.floats(0.002, 50))
def test_rounding_is_below_half_a_frame_step(step: float) -> None:
    decimals = decimals_for(step)
    assert 10**-decimals / 2 < step / 2
    # And no finer than needed.
    assert decimals == 0 or 10 ** -(decimals - 1) >= step * (1 - 1e-9)
