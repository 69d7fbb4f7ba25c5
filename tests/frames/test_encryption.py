from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.barcode import pictures
from benchmarks.encoding import write
from benchmarks.outside_cells import CODECS, CONTAINERS
from kuleshov.frames.encryption import looks_encrypted
from kuleshov.read import read_video
from kuleshov.sample import Skip

NOISE = np.random.default_rng(0)


def make(path: Path, codec: str, container: str) -> bytes:
    write(path, pictures(0, 20), CODECS[codec], CONTAINERS[container])
    return path.read_bytes()


def said(path: Path) -> str:
    skip = read_video(path.parent, path.name)
    assert isinstance(skip, Skip)
    return skip.reason


@pytest.mark.parametrize("tag", [b"encv", b"drmi"])
def test_an_mp4_of_an_encrypted_kind_says_so(tag: bytes, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    data = make(path, "h264-b3", "mp4")
    path.write_bytes(data.replace(b"avc1" + bytes(6), tag + bytes(6)))
    assert said(path).startswith("is encrypted")


@pytest.mark.parametrize(("container", "length", "start"), [("ts", 188, 0), ("m2ts", 192, 4)])
def test_a_scrambled_transport_stream_says_so(
    container: str, length: int, start: int, tmp_path: Path
) -> None:
    path = tmp_path / "v.ts"
    data = bytearray(make(path, "h264-b3", container))
    for place in range(start, len(data), length):
        # Not the tables, which stand under the numbers 0, 17 and 4096.
        number = int.from_bytes(data[place + 1 : place + 3]) & 0x1FFF
        if number not in (0, 17, 4096) and data[place + 3] & 0x10:
            skipped = 1 + data[place + 4] if data[place + 3] & 0x20 else 0
            body = place + 4 + skipped
            data[place + 3] |= 0x80
            data[body : place + 188] = NOISE.bytes(place + 188 - body)
    path.write_bytes(data)
    assert said(path).startswith("is encrypted")


def test_a_scrambled_dvd_says_so(tmp_path: Path) -> None:
    path = tmp_path / "v.vob"
    data = bytearray(make(path, "mpeg2-b2", "vob"))
    place = 0
    while (place := data.find(b"\0\0\1\xe0", place)) >= 0:
        stop = place + 6 + int.from_bytes(data[place + 4 : place + 6])
        body = place + 9 + data[place + 8]
        data[place + 6] |= 0x10
        data[body:stop] = NOISE.bytes(stop - body)
        place = stop
    path.write_bytes(data)
    assert said(path).startswith("is encrypted")


def test_noise_and_what_plays_bear_no_marks(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(NOISE.bytes(50_000))
    assert not looks_encrypted(tmp_path / "noise.mp4")
    assert said(tmp_path / "noise.mp4").startswith("cannot be opened as a video")
    for codec, container in (("h264-b3", "mp4"), ("h264-b3", "ts"), ("mpeg2-b2", "vob")):
        make(tmp_path / "v", codec, container)
        assert not looks_encrypted(tmp_path / "v")
    assert not looks_encrypted(tmp_path / "gone")
