from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from kuleshov.errors import UnreadableVideoError
from kuleshov.frames import decode, scan
from kuleshov.sample import Pixels

SIZE = (32, 48)


def level(i: int) -> int:
    """The grey of frame i in the clips of this file: 20, 32, 44, ..."""
    return 20 + 12 * i


def write_levels(path: Path, pts: list[int], time_base: Fraction = Fraction(1, 100)) -> None:
    """A lossless video in which frame i has grey level(i) and is shown at pts[i] * time_base."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv444p"
        stream.codec_context.time_base = time_base
        for i, time in enumerate(pts):
            pixels = np.full((*SIZE, 3), level(i), np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def shown(frames: Pixels) -> list[int]:
    """Which frame of `write_levels` each frame is."""
    return [round((float(frame.mean()) - 20) / 12) for frame in frames]


def test_variable_frame_rate_shows_the_frame_on_screen(tmp_path: Path) -> None:
    # Frames at 0, 0.1, 0.2, 1.0 and 1.5 s: frame 2 stays on screen from 0.2 to 1.0.
    path = tmp_path / "vfr.mkv"
    write_levels(path, [0, 10, 20, 100, 150])
    asked = [0.0, 0.05, 0.1, 0.199, 0.2, 0.9, 0.999, 1.0, 1.49, 1.5]
    assert shown(decode(path, asked, SIZE)) == [0, 0, 1, 1, 2, 2, 2, 3, 3, 4]


def test_times_may_repeat_and_need_no_order(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    write_levels(path, [0, 10, 20, 30])
    assert shown(decode(path, [0.3, 0.1, 0.3, 0.0], SIZE)) == [3, 1, 3, 0]
    assert decode(path, [], SIZE).shape == (0, *SIZE, 3)


def test_start_offset_is_part_of_the_time(tmp_path: Path) -> None:
    path = tmp_path / "offset.mkv"
    write_levels(path, [370, 380, 390])
    info = scan(path)
    assert info.start == pytest.approx(3.7) and info.num_frames == 3
    assert shown(decode(path, [3.7, 3.85], SIZE)) == [0, 1]


def test_rounded_times_still_find_their_frame(tmp_path: Path) -> None:
    path = tmp_path / "v.nut"  # a container that keeps thirtieths of a second
    write_levels(path, [0, 1, 2, 3], Fraction(1, 30))
    # 1/30 rounded to six decimals lies before the frame at 1/30.
    assert shown(decode(path, [0.033333, 0.066667, 0.1], SIZE)) == [1, 2, 3]


@pytest.mark.parametrize("asked", [-0.5, 0.9])
def test_a_time_outside_of_the_file_is_an_error(tmp_path: Path, asked: float) -> None:
    path = tmp_path / "v.mkv"
    write_levels(path, [0, 10, 20])
    with pytest.raises(UnreadableVideoError, match=f"no frame at {asked:.3f} s; the file shows"):
        decode(path, [0.1, asked], SIZE)


def test_every_frame_by_itself_is_the_frame_of_the_whole(clips: Path) -> None:
    path = clips / "clip-0000.mp4"
    times = [i / 12 + 0.01 for i in range(24)]
    together = decode(path, times, (56, 56))
    for i in (0, 7, 23):
        assert (decode(path, [times[i]], (56, 56))[0] == together[i]).all()


def test_scaling_averages_when_it_shrinks(tmp_path: Path) -> None:
    # Columns of black and white, one pixel wide, become an even grey.
    pixels = np.zeros((1, 32, 64, 3), np.uint8)
    pixels[:, :, ::2] = 255
    path = tmp_path / "stripes.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 64, "yuv444p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels[0], format="rgb24")))
        container.mux(stream.encode())
    small = decode(path, [0.0], (16, 32))
    assert np.abs(small.astype(int) - 127).max() <= 2


def test_rotated_real_clip_is_upright(real_clips: Path) -> None:
    # The mean of each quarter of the upright picture, as ffmpeg 5.1.9 shows it:
    #   ffmpeg -i de_video_90.mov -frames:v 1 -f rawvideo -pix_fmt rgb24 \
    #     -vf scale=32:56:flags=area+accurate_rnd+bitexact+full_chroma_int - |
    #     python3 -c "import sys, numpy as np
    #     a = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(2, 28, 2, 16, 3)
    #     print(a.mean((1, 3, 4)))"
    frame = decode(real_clips / "de_video_90.mov", [0.0], (56, 32))[0]
    quarters = frame.reshape(2, 28, 2, 16, 3).mean((1, 3, 4))
    assert quarters == pytest.approx(np.array([[107.7, 109.4], [76.3, 90.2]]), abs=0.5)
