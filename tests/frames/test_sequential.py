from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.barcode import number, pictures
from benchmarks.encoding import copy, write
from benchmarks.outside_cells import CODECS, CONTAINERS, packed
from kuleshov.errors import UnreadableVideoError
from kuleshov.frames import decode, decode_all, scan
from kuleshov.frames.container import opened
from kuleshov.frames.sequential import on_screen


def seen(path: Path) -> list[tuple[int, float]]:
    """(number, seconds) of all frames of a clip of bar codes."""
    times, frames = decode_all(path)
    return [(number(frame), round(time, 3)) for frame, time in zip(frames, times, strict=True)]


def even(first: float, count: int = 40, start: int = 0) -> list[tuple[int, float]]:
    """Frames from number `start` on, 0.04 s each."""
    return [(start + i, round(first + i * 0.04, 3)) for i in range(count)]


@pytest.mark.parametrize(
    ("codec", "container", "first"),
    [
        ("h264-b3", "avi", 0.08),  # two frames are held back, of which nothing is told
        ("mpeg4-b2", "avi", 0.04),
        ("h264-b3", "asf", 0.08),
    ],
)
def test_without_presentation_times_frames_are_shown_as_they_are_given(
    codec: str, container: str, first: float, tmp_path: Path
) -> None:
    path = tmp_path / "v"
    write(path, pictures(0, 40), CODECS[codec], CONTAINERS[container])
    assert seen(path) == even(first)
    assert scan(path).num_frames == 40
    # 1.281 s is 1.2 s after the first frame of H.264.
    if codec == "h264-b3":
        assert number(decode(path, [1.281], (96, 160))[0]) == 30


def test_packed_b_frames_are_all_shown(tmp_path: Path) -> None:
    packed(tmp_path / "v.avi", 40)
    assert [one for one, _ in seen(tmp_path / "v.avi")] == list(range(40))


def test_a_stamp_for_several_frames_is_that_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "v.mpg"
    write(path, pictures(0, 20), CODECS["h264-b3"], CONTAINERS["ps"])
    with opened(path) as (container, stream):
        stamped = [packet.pts for packet in container.demux(stream) if packet.size]
    assert stamped.count(None) > 10
    found = seen(path)
    assert found == even(found[0][1], 20)


@pytest.mark.parametrize(
    ("codec", "container"),
    [("h264-b3", "raw-h264"), ("hevc-b3", "raw-hevc"), ("mjpeg", "raw-mjpeg")],
)
def test_a_file_without_any_times_is_counted_and_says_so(
    codec: str, container: str, tmp_path: Path
) -> None:
    path = tmp_path / "v.mp4"
    write(path, pictures(0, 40), CODECS[codec], CONTAINERS[container])
    assert seen(path) == even(0.0)
    assert scan(path).caveats == ("timeless",)


def test_one_frame_without_a_time_starts_at_0(tmp_path: Path) -> None:
    path = tmp_path / "v.h264"
    write(path, pictures(7, 1), CODECS["h264-b3"], CONTAINERS["raw-h264"])
    assert seen(path) == [(7, 0.0)]
    assert (scan(path).start, scan(path).end) == (0.0, 0.04)


def joined(path: Path, codec: str, container: str, starts: tuple[int, int]) -> None:
    """Two recordings of 20 frames, one after the other, whose clocks start at these seconds."""
    data = b""
    for part, start in enumerate(starts):
        ticks = [start * 25 + i for i in range(20)]
        write(path, pictures(part * 20, 20), CODECS[codec], CONTAINERS[container], ticks=ticks)
        data += path.read_bytes()
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("codec", "container"), [("h264-b3", "ts"), ("mpeg2-b2", "vob"), ("hevc-b3", "m2ts")]
)
@pytest.mark.parametrize("starts", [(0, 0), (100, 0), (0, 200)])
def test_a_clock_that_starts_again_goes_on(
    codec: str, container: str, starts: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "v"
    joined(path, codec, container, starts)
    found = seen(path)
    assert found == even(found[0][1])
    assert scan(path).end - scan(path).start == pytest.approx(1.6, abs=0.001)


def test_a_gap_in_a_clock_that_may_jump_stays_a_gap(tmp_path: Path) -> None:
    joined(tmp_path / "v.ts", "h264-b3", "ts", (0, 5))
    found = seen(tmp_path / "v.ts")
    # The muxer moves the first one by the two frames that wait, so that it starts at 0.08.
    assert found == [*even(0.08, 20), *even(5.0, 20, 20)]


def test_a_clock_that_may_not_jump_is_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    joined(path, "h264-b3", "mkv", (0, 0))
    with pytest.raises(
        UnreadableVideoError, match=r"v\.mkv: its clock jumps back from 0\.760 s to"
    ):
        scan(path)


def test_frames_that_are_a_little_late_are_kept(tmp_path: Path) -> None:
    # Two recordings on one clock that overlap by two frames, as the muxer moves the first one so
    # that nothing is decoded before 0; and of different sizes.
    path = tmp_path / "v.ts"
    data = b""
    for part, size in enumerate([(96, 160), (112, 192)]):
        ticks = [part * 20 + i for i in range(20)]
        frames = pictures(part * 20, 20, size)
        write(path, frames, CODECS["h264-b3"], CONTAINERS["ts"], ticks=ticks)
        data += path.read_bytes()
    path.write_bytes(data)
    found = seen(path)
    start = found[0][1]
    assert found == [*even(start, 20), *even(start + 18 * 0.04, 20, 20)]
    assert scan(path).num_frames == 40
    # From where the second one starts, until the first one would have ended, each has its turn.
    middles = [round(start + 0.04 * i + 0.02, 3) for i in range(38)]
    shown = [number(frame) for frame in decode(path, middles, (96, 160))]
    assert shown == [*range(19), *range(21, 40)]
    assert [number(decode(path, [one], (96, 160))[0]) for one in middles[16:20]] == shown[16:20]


def test_frames_of_the_same_time_are_counted_and_the_last_one_is_on_screen(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.mkv", tmp_path / "v.mkv"
    write(whole, pictures(0, 10), CODECS["ffv1"], CONTAINERS["mkv"])

    def same(i: int, packet: object) -> object:
        if i == 5:
            packet.pts -= 40  # type: ignore[attr-defined]
            packet.dts -= 40  # type: ignore[attr-defined]
        return packet

    copy(whole, path, CONTAINERS["mkv"], same)
    with opened(path) as (container, stream):
        times = [(appears, disappears) for appears, disappears, _ in on_screen(container, stream)]
    assert len(times) == 10 and times[4] == (0.16, 0.16) and times[5] == (0.16, 0.24)
    assert number(decode(path, [0.17], (96, 160))[0]) == 5
