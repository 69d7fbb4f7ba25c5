from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from benchmarks.barcode import pictures
from benchmarks.encoding import write
from benchmarks.outside_cells import CODECS, CONTAINERS
from kuleshov.frames.bitstream import Headers, Units


def units(codec: str, header: bytes = b"") -> Units:
    decoder: Any = SimpleNamespace(codec=SimpleNamespace(canonical_name=codec), extradata=header)
    return Units(decoder)


# A sequence's parameters in the baseline profile: number 0, and log2 of the largest picture number
# less 4 is 0, as three one-bits (ue(v) of 0 is "1").
PARAMETERS = bytes([0x67, 66, 0, 10, 0b1110_0000])
AFTER = b"\0\0\1"


def slice_of(kind: int, number: int, head: int) -> bytes:
    """An H.264 slice: ue(0) for where, ue(kind), ue(0) for its parameters, 4 bits of a number."""
    code = f"{kind + 1:b}"
    bits = "1" + "0" * (len(code) - 1) + code + "1" + f"{number:04b}" + "1"
    return bytes([head, *int(bits.ljust(24, "0"), 2).to_bytes(3)])


@pytest.mark.parametrize(
    ("kind", "head", "expected"),
    [
        (0, 0x41, (False, False, True)),  # P, others refer to it
        (1, 0x01, (True, False, False)),  # B, none does
        (6, 0x41, (True, False, True)),  # all its slices are B
        (7, 0x65, (False, True, True)),  # I, and nothing before it is referred to
    ],
)
def test_a_slice_says_what_it_refers_to(
    kind: int, head: int, expected: tuple[bool, bool, bool]
) -> None:
    data = AFTER + PARAMETERS + AFTER + slice_of(kind, 9, head)
    found = units("h264")
    headers = found.read(data)
    assert not headers.changes and not headers.turns
    assert headers.slice == (*expected, 9)
    assert found.period == 16


def test_units_stand_after_their_length_where_the_header_says_so() -> None:
    # avcC: version, profile, compatibility, level, width of lengths - 1, one set of parameters.
    header = bytes([1, 66, 0, 10, 0xFF, 0xE1, 0, len(PARAMETERS)]) + PARAMETERS
    body = slice_of(0, 3, 0x41)
    headers = units("h264", header).read(len(body).to_bytes(4) + body)
    assert headers.slice is not None and headers.slice.number == 3


def test_parameters_may_come_again_but_not_change() -> None:
    found, rest = units("h264"), AFTER + slice_of(0, 0, 0x65)
    others = bytes([*PARAMETERS[:4], 0b1110_1000])
    first = AFTER + PARAMETERS + rest
    assert [found.read(one).changes for one in (first, rest, b"\0" + first)] == [False] * 3
    assert found.read(AFTER + others + rest).changes
    # What stands in the header is known.
    assert not units("h264", AFTER + others + AFTER + PARAMETERS).read(first).changes
    assert units("h264", AFTER + others).read(first).changes


@pytest.mark.parametrize(
    ("codec", "head", "last"),
    [("h264", b"\x06", b"\x65"), ("hevc", b"\x4e\x01", b"\x26\x01")],
)
def test_a_message_may_turn_the_picture(codec: str, head: bytes, last: bytes) -> None:
    other = bytes([5, 3, 9, 9, 9])  # type, size and content
    turn = bytes([47, 2, 0x40, 0])
    for messages, turns in ((other, False), (other + turn, True), (turn, True)):
        data = AFTER + head + messages + b"\x80" + AFTER + last + b"\xff" * 8
        assert units(codec).read(data).turns is turns
    # Behind the first slice it belongs to the next picture.
    data = AFTER + last + b"\xff" * 8 + AFTER + head + turn + b"\x80"
    assert not units(codec).read(data).turns


def test_long_messages_are_passed_over() -> None:
    long = bytes([5, 255, 45]) + bytes(range(1, 101)) * 3  # 255 + 45 bytes
    data = AFTER + b"\x06" + long + bytes([47, 1, 0x40, 0x80]) + AFTER + b"\x65\xff\xff"
    assert units("h264").read(data).turns


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\0\1", b"\0\0\1\xe5\xff\xff", bytes(50), b"\xff" * 50, b"\0\0\1\x67\0\0\1\x68"],
)
def test_damage_says_nothing(data: bytes) -> None:
    assert units("h264").read(data) == units("hevc").read(data) == Headers()


def test_any_bytes_can_be_read() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2_000):
        header, data = (rng.bytes(int(rng.integers(0, 60))) for _ in range(2))
        data = data.replace(data[:1], b"\0") if len(data) % 2 else AFTER + data + AFTER + data
        for codec in ("h264", "hevc", "vp9"):
            units(codec, header).read(data)
            units(codec, b"\1" + header).read(data)


def test_other_codecs_say_nothing() -> None:
    for codec in ("vp9", "av1"):
        assert units(codec).read(b"\x82" + slice_of(0, 0, 0x41)) == Headers(shows=True)
        assert units(codec).read(bytes(9)) == Headers()


@pytest.mark.parametrize("container", ["mp4", "ts"])
@pytest.mark.parametrize("codec", ["h264-b3", "h264-interlaced"])
def test_what_x264_wrote_is_numbered_without_a_gap(
    container: str, codec: str, tmp_path: Path
) -> None:
    path = tmp_path / "v"
    write(path, pictures(0, 40), CODECS[codec], CONTAINERS[container])
    with av.open(str(path)) as opened:
        found = Units(opened.streams.video[0].codec_context)
        slices = [found.read(packet).slice for packet in opened.demux(video=0) if packet.size]
    assert len(slices) == 40 and found.period is not None
    last = 0
    for one in slices:
        assert one is not None
        assert one.restarts or (one.number - last) % found.period <= 1
        last = one.number if one.is_reference else last
    # Each group of 12 starts anew, and B-frames are among the others.
    assert [i for i, one in enumerate(slices) if one and one.restarts] == [0, 12, 24, 36]
    assert 10 < sum(one.bidirectional for one in slices if one) < 36
