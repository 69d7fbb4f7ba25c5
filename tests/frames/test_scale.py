from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from benchmarks.barcode import number, pictures
from benchmarks.encoding import ONE, copy, write
from benchmarks.outside_cells import CODECS, CONTAINERS
from benchmarks.referee import ffmpeg
from kuleshov.frames import decode, decode_all, scan
from kuleshov.frames.container import opened

# What a picture becomes by each display matrix (a, b, c, d): x' = a x + c y, y' = b x + d y, by
# hand for the corners of a picture, clockwise from the top left.
CORNERS = {
    "as it is": ((ONE, 0, 0, ONE), "ABCD"),
    "mirrored left to right": ((-ONE, 0, 0, ONE), "BADC"),
    "mirrored top to bottom": ((ONE, 0, 0, -ONE), "DCBA"),
    "a half turn": ((-ONE, 0, 0, -ONE), "CDAB"),
    "a quarter turn clockwise": ((0, ONE, -ONE, 0), "DABC"),
    "a quarter turn anticlockwise": ((0, -ONE, ONE, 0), "BCDA"),
    "along the diagonal": ((0, ONE, ONE, 0), "ADCB"),
    "along the other diagonal": ((0, -ONE, -ONE, 0), "CBAD"),
}
COLOURS = {"A": (220, 20, 20), "B": (20, 200, 20), "C": (20, 20, 220), "D": (230, 230, 230)}


@pytest.mark.parametrize("name", CORNERS)
def test_a_display_matrix_turns_and_mirrors(name: str, tmp_path: Path) -> None:
    matrix, expected = CORNERS[name]
    stored = np.empty((12, 64, 96, 3), np.uint8)
    stored[:, :32, :48], stored[:, :32, 48:] = COLOURS["A"], COLOURS["B"]
    stored[:, 32:, 48:], stored[:, 32:, :48] = COLOURS["C"], COLOURS["D"]
    path = tmp_path / "v.mp4"
    write(path, stored, CODECS["h264-b3"], CONTAINERS["mp4"], matrix=matrix)
    info = scan(path)
    assert (info.width, info.height) == ((96, 64) if matrix[0] else (64, 96))
    for frame in decode(path, [0.0, 0.3], (info.height // 2, info.width // 2)):
        corners = frame[4, 4], frame[4, -5], frame[-5, -5], frame[-5, 4]
        for corner, letter in zip(corners, expected, strict=True):
            assert np.abs(corner.astype(int) - COLOURS[letter]).max() < 40
    if command := ffmpeg():
        scaled = f"scale={info.width}:{info.height}"
        line = [command, "-v", "error", "-i", str(path), "-vf", scaled, "-frames:v", "1"]
        line += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        raw = subprocess.run(line, capture_output=True, check=True).stdout
        theirs = np.frombuffer(raw, np.uint8).reshape(info.height, info.width, 3)
        ours = decode(path, [0.0], (info.height, info.width))[0]
        assert np.abs(ours.astype(int) - theirs).mean() < 3


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_what_the_first_frame_says_of_its_orientation_holds_for_all(
    container: str, tmp_path: Path
) -> None:
    whole, path = tmp_path / "whole.mp4", tmp_path / "v"
    # Stored upside down and mirrored.
    frames = np.ascontiguousarray(pictures(0, 30)[:, ::-1, ::-1])
    write(whole, frames, CODECS["h264-b3"], CONTAINERS["mp4"])
    with opened(whole) as (_, stream):
        turn = BitStreamFilterContext("h264_metadata=display_orientation=insert:rotate=180", stream)
        held = CONTAINERS[container]
        copy(whole, path, held, lambda i, packet: turn.filter(packet)[0] if i == 0 else packet)
    _, shown = decode_all(path)
    assert [number(frame) for frame in shown] == list(range(30))
    # Also where it is asked for alone, in a group of pictures of its own.
    for i in (0, 1, 13, 29):
        assert number(decode(path, [i * 0.04 + 0.01], (96, 160))[0]) == i
