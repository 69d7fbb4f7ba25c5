from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import pytest

from benchmarks.barcode import number, pictures
from benchmarks.encoding import write
from benchmarks.outside_cases import CASES
from benchmarks.outside_cells import CODECS, CONTAINERS
from kuleshov.frames import decode_all, scan
from kuleshov.frames.container import opened, packets
from kuleshov.read import read_video
from kuleshov.sample import Skip, Video


def reason(path: Path) -> str:
    skip = read_video(path.parent, path.name)
    assert isinstance(skip, Skip)
    return skip.reason


def test_an_encrypted_video_says_so(tmp_path: Path) -> None:
    CASES["cenc.mp4"].make(tmp_path / "v.mp4")
    assert reason(tmp_path / "v.mp4").startswith("is encrypted")


def test_sound_with_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    CASES["podcast.mp4"].make(tmp_path / "v.mp4")
    assert reason(tmp_path / "v.mp4") == "has no video stream but a cover picture"


@pytest.mark.parametrize("cover_first", [True, False])
def test_a_video_with_a_cover_is_the_video(cover_first: bool, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:

        def add(encoder: str, size: int) -> Any:
            stream: Any = container.add_stream(encoder, rate=25)
            stream.height = stream.width = size
            stream.pix_fmt = "yuvj420p" if encoder == "mjpeg" else "yuv420p"
            return stream

        # The cover is larger and stands in front, as where FFmpeg's own choice may take it.
        names = [("mjpeg", 256), ("libx264", 96)]
        streams = [add(*one) for one in (names if cover_first else reversed(names))]
        cover, moving = streams if cover_first else reversed(streams)
        cover.disposition = 1 << 10
        shown = av.VideoFrame.from_ndarray(pictures(5, 1, (256, 256))[0], format="rgb24")
        container.mux([*cover.encode(shown), *cover.encode()])
        for picture in pictures(0, 10, (96, 96)):
            container.mux(moving.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(moving.encode())
    assert (scan(path).num_frames, scan(path).height) == (10, 96)
    assert [number(frame) for frame in decode_all(path)[1]] == list(range(10))


def test_titles_in_other_encodings_do_not_stop_a_video(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    write(path, pictures(0, 10), CODECS["mpeg4-b0"], CONTAINERS["avi"])
    data = path.read_bytes()
    title = b"caf\xe9\0\0"
    listed = b"INFOINAM" + struct.pack("<I", len(title)) + title
    chunk = b"LIST" + struct.pack("<I", len(listed)) + listed
    place = data.index(b"LIST", 12 + 8)  # before the frames
    path.write_bytes(data[:place] + chunk + data[place:])
    assert isinstance(read_video(tmp_path, path.name), Video)


def test_an_avi_has_no_presentation_times_that_are_made_up(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    write(path, pictures(0, 40), CODECS["h264-b3"], CONTAINERS["avi"])
    with opened(path) as (container, stream):
        assert {packet.pts for packet in packets(container, stream)} == {None}
