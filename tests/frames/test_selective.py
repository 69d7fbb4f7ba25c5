from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from benchmarks.outside_cells import cells
from kuleshov.clips import clip
from kuleshov.errors import UnreadableVideoError
from kuleshov.frames import decode
from kuleshov.frames.container import opened
from kuleshov.frames.decode import TOLERANCE, gather
from kuleshov.frames.listing import Packet
from kuleshov.frames.scale import upright
from kuleshov.frames.selective import Unproven, picked, runs
from kuleshov.frames.sequential import on_screen
from kuleshov.read import find
from kuleshov.sample import Pixels
from tests.frames.encoded import encode

SIZE = (64, 64)


def packets(text: str) -> list[Packet]:
    """Packets in decoding order from "K0 p3 b1 b2": K is a key frame, the number its time."""
    return [Packet(int(p[1:]), 1, p[0] == "K", p[0] != "-") for p in text.split()]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({0}, [[0]]),
        ({2}, [[0, 1, 2, 3]]),  # up to the wanted one, and not to the end of its group
        ({3}, [[0, 1]]),
        ({5}, [[4, 5, 6]]),  # another group: the first one is passed over
        ({1, 4}, [[0, 1, 2], [4]]),
    ],
)
def test_a_closed_group_is_decoded_up_to_its_last_wanted_frame(
    wanted: set[int], expected: list[list[int]]
) -> None:
    assert runs(packets("K0 p3 b1 b2 K4 p6 b5"), wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({4}, [[0, 1, 2, 3, 4]]),  # b4 is shown before K6 and needs the whole group before
        ({6}, [[3]]),
        ({8}, [[3, 6]]),  # b4 and b5 lead K6 and are passed over
        ({0, 4}, [[0, 1, 2, 3, 4]]),
        ({0, 8}, [[0], [3, 6]]),
    ],
)
def test_a_leading_frame_needs_the_group_before(
    wanted: set[int], expected: list[list[int]]
) -> None:
    #            0  1  2  3  4  5  6
    assert runs(packets("K0 p3 b1 K6 b4 b5 p8"), wanted) == expected


def test_a_frame_that_is_not_shown_is_not_wanted() -> None:
    assert runs(packets("K0 -1 p2"), {0, 1}) == [[0]]


ENCODERS = {
    "x264": ("libx264", "v.mp4", {"g": "12", "bf": "3"}),
    "x264 pyramid, open groups": (
        "libx264",
        "v.mkv",
        {"g": "12", "x264-params": "open-gop=1:bframes=4:b-pyramid=normal:ref=4"},
    ),
    "x264 in a transport stream": ("libx264", "v.ts", {"g": "12", "bf": "3"}),
    "x264 intra refresh": ("libx264", "v.mp4", {"x264-params": "intra-refresh=1:keyint=12"}),
    "x265, open groups": (
        "libx265",
        "v.mp4",
        {"x265-params": "keyint=12:open-gop=1:bframes=3:log-level=none"},
    ),
    "x265, temporal layers": (
        "libx265",
        "v.mp4",
        {"x265-params": "keyint=12:temporal-layers=1:bframes=3:log-level=none"},
    ),
    "vp9": ("libvpx-vp9", "v.webm", {"g": "12", "deadline": "realtime", "auto-alt-ref": "1"}),
    "av1": ("libsvtav1", "v.mp4", {"g": "12", "preset": "12"}),
}


def in_sequence(path: Path) -> tuple[list[float], Pixels]:
    """(times, pixels) of every frame of a file, decoded from its start."""
    reformatter = VideoReformatter()
    with opened(path) as (container, stream):
        frames = [(t, upright(f, SIZE, reformatter)) for t, _, f in on_screen(container, stream)]
    return [time for time, _ in frames], np.stack([pixels for _, pixels in frames])


def count_proven(path: Path, strides: list[int]) -> int:
    """Ask for every frame, by one request for each offset of a stride, and compare bit by bit.

    Returns:
        How many frames could be picked; the others are for decoding in sequence.
    """
    times, expected = in_sequence(path)
    proven = 0
    for stride in strides:
        for offset in range(min(stride, len(times))):
            asked = times[offset::stride]
            try:
                frames = gather(picked(path, asked, TOLERANCE), path, asked, SIZE)
            except Unproven:
                continue
            assert (frames == expected[offset::stride]).all()
            proven += len(asked)
    sparse = slice(len(times) // 3, None, 7)
    assert (decode(path, times[sparse], SIZE) == expected[sparse]).all()
    return proven


@pytest.mark.parametrize("name", ENCODERS)
def test_picked_frames_are_those_of_decoding_in_sequence(name: str, tmp_path: Path) -> None:
    codec, file, options = ENCODERS[name]
    frames = clip(3, 1, seconds=5)
    encode(tmp_path / file, codec, options, frames)
    assert count_proven(tmp_path / file, [1, 5, 17, 60]) > 0


def test_a_file_whose_packets_do_not_tell_is_decoded_in_sequence(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    encode(path, "mpeg4", {"g": "12", "bf": "2"}, clip(3, 1, seconds=2))
    assert count_proven(path, [5]) == 0


PICKED = [
    *("mp4-h264-b3.mp4", "mkv-h264-b3.mkv", "ts-hevc-b3.ts", "fragmented-hevc-b3.mp4"),
    *("flv-h264-b3.flv", "m2ts-h264-b3.m2ts", "webm-vp9.webm", "ivf-av1.ivf", "mp4-edited.mp4"),
    *("mkv-uneven.mkv", "ts-late-start.ts", "mp4-clockwise.mp4", "mkv-one-frame.mkv"),
    *("ts-starts-late.ts", "mkv-cut-off.mkv"),
]
IN_SEQUENCE = [
    *("avi-h264-b3.avi", "avi-packed.avi", "asf-h264-b3.wmv", "ps-h264-b3.mpg", "vob-mpeg2-b2.vob"),
    *("raw-h264-h264-b3.mp4", "ts-h264-b3-joined-back.ts", "ts-h264-b3-joined-larger.ts"),
    *("mkv-lost-frame.mkv", "ts-lost-frame.ts", "mp4-lost-frame.mp4", "avi-copied-to.mp4"),
    *("mkv-vp8.mkv", "mp4-h264-interlaced.mp4", "mkv-h264-open.mkv", "ts-hevc-b3-joined-same.ts"),
]


@pytest.mark.parametrize("name", [*PICKED, *IN_SEQUENCE])
def test_what_is_shown_never_depends_on_what_else_is_asked(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    {cell.name: cell for cell in cells()}[name].write(path)
    assert (count_proven(path, [1, 3, 11]) > 0) == (name in PICKED)
    times, expected = in_sequence(path)
    rng = np.random.default_rng(0)
    for size in (1, 1, 1, 2, 5):
        asked = rng.choice(len(times), min(size, len(times)), replace=False)
        frames = decode(path, [times[i] for i in asked], SIZE)
        assert (frames == expected[asked]).all()


def test_what_a_damaged_frame_shows_does_not_depend_on_it_either(tmp_path: Path) -> None:
    path, rng, proven = tmp_path / "v.mp4", np.random.default_rng(0), 0
    encode(path, "libx264", {"g": "12", "bf": "3"}, clip(3, 1, seconds=5))
    data = path.read_bytes()
    for _ in range(12):
        spoilt = bytearray(data)
        for place in rng.integers(2_000, len(data) * 3 // 4, 3):
            spoilt[place] ^= 1 << rng.integers(8)
        path.write_bytes(spoilt)
        proven += count_proven(path, [1, 60])
    assert proven > 100  # groups without damage are picked still


def test_a_damaged_file_is_decoded_in_sequence(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    encode(path, "libx264", {"g": "12"}, clip(3, 1, seconds=5))
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(2_000, len(data) // 2, 40):
        data[place] ^= 0xFF
    path.write_bytes(data)
    assert count_proven(path, [1]) == 0


def test_every_frame_of_every_real_clip_is_that_of_decoding_in_sequence(real_clips: Path) -> None:
    proven = {}
    for name in find(real_clips):
        with suppress(UnreadableVideoError):
            proven[name] = count_proven(real_clips / name, [2])
    # A file that misses a frame, and two whose packets do not tell.
    unproven = {"de_corrupted.mp4", "mdn_flower.webm", "mp4p_MOV00006.3gp"}
    assert {name for name, count in proven.items() if not count} == unproven
    assert len(proven) == 32
