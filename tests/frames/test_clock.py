from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from av.format import Flags

from kuleshov.frames.clock import FrameTimes, on_one_clock

MS = Fraction(1, 1000)


def a_stream(rate: int | None = 25) -> Any:
    """A stream with ticks of a millisecond."""
    fraction = None if rate is None else Fraction(rate)
    context = SimpleNamespace(framerate=None)
    return SimpleNamespace(time_base=MS, average_rate=fraction, codec_context=context)


def a_container(*flags: Any, start: int | None = None) -> Any:
    value = sum(flag.value for flag in flags)
    return SimpleNamespace(format=SimpleNamespace(flags=value), start_time=start)


def put(
    times: Sequence[tuple[int | None, int | None]], *flags: Flags, duration: int = 40
) -> list[tuple[int | None, int | None]]:
    """(pts, dts) of packets on one clock."""
    packets = [SimpleNamespace(pts=pts, dts=dts, size=1, duration=duration) for pts, dts in times]
    found = on_one_clock(packets, a_container(*flags), a_stream())
    return [(packet.pts, packet.dts) for packet in found]


def test_where_a_clock_may_start_again_it_goes_on() -> None:
    # 40 ms after 80 is where the third should be decoded; its picture is shown 60 later.
    times = [(80, 40), (120, 80), (60, 0), (100, 40)]
    assert put(times, Flags.ts_discont) == [(80, 40), (120, 80), (180, 120), (220, 160)]


@pytest.mark.parametrize(("second", "goes_on"), [(20, True), (21, False), (10_120, False)])
def test_a_jump_is_more_than_a_tenth_back_or_ten_seconds_forth(second: int, goes_on: bool) -> None:
    # 120 is where it should be.
    (_, (_, dts)) = put([(80, 80), (second - 1, second - 1)], Flags.ts_discont)
    assert dts == (120 if goes_on else second - 1)
    (_, (_, dts)) = put([(80, 80), (10_121, 10_121)], Flags.ts_discont)
    assert dts == 120


def test_elsewhere_a_clock_is_believed_unless_it_is_absurd() -> None:
    hours = 3_600_000
    assert put([(0, 0), (20 * hours, 20 * hours), (40, 40)])[1:] == [
        (20 * hours, 20 * hours),
        (40, 40),
    ]
    assert put([(0, 0), (31 * hours, 31 * hours)]) == [(0, 0), (None, 40)]


def test_a_packet_that_does_not_say_when_follows_the_one_before() -> None:
    assert put([(None, None), (70, 70), (None, None), (None, None)]) == [
        (None, None),
        (70, 70),
        (None, 110),
        (None, 150),
    ]


def test_what_is_made_up_for_a_format_without_times_is_not_believed() -> None:
    assert put([(40, 40), (None, 80)], Flags.no_timestamps) == [(None, None)] * 2


def shown(
    frames: list[tuple[int | None, int | None]], last: int = 0, rate: int | None = 25, **more: Any
) -> list[int | None]:
    """When frames are shown that come with (pts, dts); the `last` ones come after all packets."""
    flags = more.pop("flags", ())
    times = FrameTimes(a_container(*flags, **more), a_stream(rate))
    return [
        times.of(
            SimpleNamespace(pts=pts, dts=dts, duration=more.get("duration", 40)),  # type: ignore[arg-type]
            is_last=i >= len(frames) - last,
        )
        for i, (pts, dts) in enumerate(frames)
    ]


def test_presentation_times_are_believed_while_they_rise() -> None:
    assert shown([(0, 80), (40, 120), (200, 160)]) == [0, 40, 200]


def test_where_they_step_back_the_time_of_decoding_is() -> None:
    # AVI: what is called a presentation time counts packets. By hand, as `guess_correct_pts`:
    # 3 is after 1; 2 is not after 3, so that from there on the other clock is right.
    counted = [(1, 2), (3, 3), (4, 4), (2, 5), (6, 6), (5, 8), (7, 7)]
    assert shown([(p * 40, d * 40) for p, d in counted])[:6] == [40, 120, 160, 200, 240, 320]


def test_frames_without_a_time_follow_by_the_length_of_one() -> None:
    assert shown([(500, 500), (None, None), (None, None), (700, 700)]) == [500, 540, 580, 700]
    assert shown([(None, None), (None, None)]) == [0, 40]
    assert shown([(None, None), (None, None)], start=1_500_000) == [1500, 1540]
    assert shown([(None, None)], start=1_500_000, flags=(Flags.no_timestamps,)) == [0]


def test_two_frames_of_one_packet_are_not_shown_at_once() -> None:
    assert shown([(None, 40), (None, 80), (None, 80), (None, 160)]) == [40, 80, 120, 160]


def test_frames_after_the_last_packet_follow_by_the_frame_rate() -> None:
    assert shown([(None, 40), (None, 80), (None, None), (None, None)], last=2) == [
        40,
        80,
        120,
        160,
    ]


def test_without_a_time_and_a_frame_rate_nothing_can_be_told() -> None:
    times = FrameTimes(a_container(), a_stream(None))
    frame: Any = SimpleNamespace(pts=None, dts=None, duration=0)
    assert [times.of(frame, is_last=False) for _ in range(2)] == [0, None]
