from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from av.bitstream import BitStreamFilterContext

from benchmarks.barcode import pictures
from benchmarks.encoding import copy, write
from benchmarks.outside_cells import CODECS, CONTAINERS
from kuleshov.frames.bitstream import Units
from kuleshov.frames.container import opened, packets
from kuleshov.frames.listing import Packet, list_packets
from kuleshov.frames.scan import scan, scan_frames, scan_packets

MP4 = CONTAINERS["mp4"]


def listed(path: Path) -> list[Packet] | None:
    with opened(path) as (container, stream):
        return list_packets(packets(container, stream), stream)


@contextmanager
def source(folder: Path, codec: str, container: str = "mp4") -> Iterator[Path]:
    path = folder / f"source-{codec}"
    write(path, pictures(0, 40), CODECS[codec], CONTAINERS[container])
    yield path
    path.unlink()


@pytest.mark.parametrize("codec", ["h264-b0", "h264-b3", "h264-open", "hevc-b0", "hevc-b3", "av1"])
def test_a_sound_file_is_listed(codec: str, tmp_path: Path) -> None:
    with source(tmp_path, codec) as path:
        found = listed(path)
        assert found is not None and len(found) == 40
        assert scan_packets(path) == scan_frames(path)


@pytest.mark.parametrize("codec", ["h264-b3", "hevc-b3"])
def test_times_that_only_count_packets_are_no_listing(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"

    def counted(_: int, packet: Any) -> Any:
        packet.pts = packet.dts
        return packet

    with source(tmp_path, codec) as whole:
        copy(whole, path, MP4, counted)
    assert listed(path) is None


def test_nor_are_they_where_a_part_only_counts_packets(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"

    def counted(i: int, packet: Any) -> Any:
        packet.pts = packet.dts if 12 <= i < 24 else packet.pts
        return packet

    with source(tmp_path, "h264-b3") as whole:
        copy(whole, path, MP4, counted)
    assert listed(path) is None


def test_a_clock_that_jumps_back_is_no_listing(tmp_path: Path) -> None:
    path, data = tmp_path / "v.mkv", b""
    for start in (100, 0):
        ticks = [start * 25 + i for i in range(20)]
        write(path, pictures(0, 20), CODECS["h264-b3"], CONTAINERS["mkv"], ticks=ticks)
        data += path.read_bytes()
    assert listed(path) is not None
    path.write_bytes(data)
    assert listed(path) is None


def test_a_missing_frame_that_others_refer_to_is_no_listing(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with source(tmp_path, "h264-b3") as whole:
        with opened(whole) as (container, stream):
            units = Units(stream.codec_context)
            slices = [units.read(packet).slice for packet in packets(container, stream)][:-1]
        referred = [one is not None and one.is_reference for one in slices]
        needed, other = referred.index(True, 25), referred.index(False, 25)
        copy(whole, path, CONTAINERS["mkv"], lambda i, packet: None if i == needed else packet)
        assert listed(path) is None
        copy(whole, path, CONTAINERS["mkv"], lambda i, packet: None if i == other else packet)
        assert listed(path) is not None
        assert scan_packets(path) == scan_frames(path)


def test_a_change_of_parameters_is_no_listing(tmp_path: Path) -> None:
    path, data = tmp_path / "v.ts", b""
    for part, size in enumerate([(96, 160), (112, 192)]):
        ticks = [part * 30 + i for i in range(20)]
        write(path, pictures(0, 20, size), CODECS["h264-b3"], CONTAINERS["ts"], ticks=ticks)
        data += path.read_bytes()
    assert listed(path) is not None
    path.write_bytes(data)
    assert listed(path) is None
    assert scan(path).num_frames == 40


def test_a_frame_that_says_how_it_is_turned_is_no_listing(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with source(tmp_path, "h264-b3") as whole, opened(whole) as (_, stream):
        turn = BitStreamFilterContext("h264_metadata=display_orientation=insert:rotate=90", stream)
        copy(whole, path, MP4, lambda i, packet: turn.filter(packet)[0] if i == 0 else packet)
        assert listed(whole) is not None
    assert listed(path) is None


def test_other_codecs_and_missing_times_are_no_listing(tmp_path: Path) -> None:
    for codec, container in (("mpeg4-b2", "mp4"), ("h264-b3", "avi"), ("vp8", "webm")):
        with source(tmp_path, codec, container) as path:
            assert listed(path) is None
