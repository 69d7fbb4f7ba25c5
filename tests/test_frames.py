from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from kuleshov.clips import clip
from kuleshov.errors import UnreadableVideoError
from kuleshov.frames import decode, scan, write_video
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


def test_scan_measures_the_true_range(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, np.zeros((10, 32, 48, 3), np.uint8), fps=5)
    info = scan(path)
    assert (info.start, info.end, info.num_frames) == (0, 2, 10)
    assert (info.width, info.height, info.codec) == (48, 32, "h264")


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


@pytest.mark.parametrize("content", [b"", b"this is not a video"])
def test_what_is_no_video_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableVideoError, match=r"x\.mp4: cannot be opened as a video"):
        scan(path)


def test_a_cut_file_keeps_what_can_be_decoded(tmp_path: Path, clips: Path) -> None:
    whole = tmp_path / "whole.mkv"
    write_levels(whole, [i * 10 for i in range(15)])
    data = whole.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: len(data) * 6 // 10])
    assert 0 < scan(cut).num_frames < scan(whole).num_frames


# Figures of real clips, from ffprobe 5.1.9 (an independent build), on each file:
#   ffprobe -v error -count_frames -select_streams v:N \
#     -show_entries stream=nb_read_frames:frame=pts_time -of csv FILE
# N is 0, for nasa_13013.mp4 the default stream 1. Sizes are those that ffplay shows: after
# rotation and with square pixels.
REAL_CLIPS = {
    "ax_sample_edit_list.mp4": (77, 0.0, 1080, 1920),
    "ax_bbb_800x640_pyramid_3b.mp4": (120, 0.0, 1138, 640),
    "bbb_480p_30s.mp4": (720, 0.0, 854, 480),
    "de_video_90.mov": (3, 0.0, 320, 568),
    "made_start_offset.mkv": (150, 3.7, 960, 540),
    "made_vfr.mp4": (165, 0.0, 320, 180),
    "mp4p_MOV00006.3gp": (222, 0.0, 192, 144),
    "mpy_fire2.mp4": (25, 0.0, 1280, 720),
    "mpy_no_duration.webm": (74, 0.0, 1280, 720),
    "nasa_13013.mp4": (390, 0.0, 480, 270),
}


@pytest.mark.parametrize("name", REAL_CLIPS)
def test_real_clips_scan_as_an_independent_tool_counts(real_clips: Path, name: str) -> None:
    info = scan(real_clips / name)
    frames, start, width, height = REAL_CLIPS[name]
    assert (info.num_frames, info.width, info.height) == (frames, width, height)
    assert info.start == pytest.approx(start, abs=1e-3)


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


def test_the_same_frames_are_the_same_bytes_whatever_memory_held(tmp_path: Path) -> None:
    # x264's own settings fail this one time in five: its look-ahead reads memory it never wrote.
    frames, rng, junk = clip(3, 1, seconds=1), np.random.default_rng(0), list[bytes]()
    written = set()
    for _ in range(60):
        junk = [*junk[-20:], rng.bytes(int(rng.integers(1_000, 300_000)))]
        write_video(tmp_path / "v.mp4", frames, 12)
        written.add((tmp_path / "v.mp4").read_bytes())
    assert len(written) == 1
