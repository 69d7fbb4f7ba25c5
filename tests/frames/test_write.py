from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kuleshov.clips import clip
from kuleshov.errors import UsageError
from kuleshov.frames import decode_all, encode_video, write_video
from kuleshov.frames.write import presentation
from kuleshov.sample import Pixels

FRAMES = clip(3, 1, seconds=1)[:6]


def test_the_same_frames_are_the_same_bytes_whatever_memory_held(tmp_path: Path) -> None:
    # x264's own settings fail this one time in five: its look-ahead reads memory it never wrote.
    frames, rng, junk = clip(3, 1, seconds=1), np.random.default_rng(0), list[bytes]()
    times = [i / 12 for i in range(len(frames))]
    written, encoded = set(), set()
    for _ in range(60):
        junk = [*junk[-20:], rng.bytes(int(rng.integers(1_000, 300_000)))]
        write_video(tmp_path / "v.mp4", frames, 12)
        written.add((tmp_path / "v.mp4").read_bytes())
        encoded.add(encode_video(frames, times, 22))
    assert len(written) == len(encoded) == 1


@pytest.mark.parametrize(
    ("seconds", "presented"),
    [
        ([0.0, 0.1, 0.333333, 0.333334, 2.0, 60.5], None),
        # Not at 0, and not a whole number of milliseconds.
        ([1.234567, 1.3, 1.4, 1.5, 1.6, 1.7], None),
        # A still, told at one frame a second.
        ([0.25] * 6, [0.25, 1.25, 2.25, 3.25, 4.25, 5.25]),
        ([0.0, 0.0, 1.0, 1.0, 0.5, 3.0], [0.0, 1e-6, 1.0, 1.000001, 1.000002, 3.0]),
    ],
)
def test_frames_appear_when_they_were_said_to(
    seconds: list[float], presented: list[float] | None, tmp_path: Path
) -> None:
    (tmp_path / "v.mp4").write_bytes(encode_video(FRAMES, seconds, 10))
    times, frames = decode_all(tmp_path / "v.mp4")
    assert times == presentation(seconds) == (presented or seconds)
    assert np.abs(frames.astype(int) - FRAMES).mean() < 3


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(encode_video(FRAMES[:1], [2.5], 10))
    times, frames = decode_all(tmp_path / "v.mp4")
    assert times == [2.5] and frames.shape == (1, 64, 64, 3)


@pytest.mark.parametrize(
    ("frames", "seconds", "message"),
    [
        (FRAMES[:2, :63], [0.0, 1.0], "2 frames of 64 x 63 pixels"),
        (FRAMES[:0], [], "0 frames"),
        (FRAMES[:2], [0.0, 5000.0], "stays for 5000 s"),
    ],
)
def test_what_cannot_be_a_video_is_refused(
    frames: Pixels, seconds: list[float], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        encode_video(frames, seconds, 10)
