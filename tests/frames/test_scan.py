from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.barcode import pictures
from benchmarks.encoding import write
from benchmarks.outside_cases import CASES
from benchmarks.outside_cells import CODECS, CONTAINERS
from kuleshov.clips import clip
from kuleshov.errors import UnreadableVideoError
from kuleshov.frames import decode, scan, write_video
from kuleshov.frames.scan import scan_frames, scan_packets
from kuleshov.read import find
from tests.frames.encoded import encode
from tests.frames.test_decode import write_levels


def test_scan_measures_the_true_range(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, np.zeros((10, 32, 48, 3), np.uint8), fps=5)
    info = scan(path)
    assert (info.start, info.end, info.num_frames) == (0, 2, 10)
    assert (info.width, info.height, info.codec) == (48, 32, "h264")


@pytest.mark.parametrize("content", [b"", b"this is not a video"])
def test_what_is_no_video_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableVideoError, match=r"x\.mp4: cannot be opened as a video"):
        scan(path)


def test_a_playlist_is_no_video_as_it_may_name_files_anywhere(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    write_video(tmp_path / "v.ts", np.zeros((10, 32, 48, 3), np.uint8), fps=5)
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:10", "#EXTINF:2,", "../v.ts", "#EXT-X-ENDLIST"]
    (inner / "v.m3u8").write_text("\n".join(lines))
    with pytest.raises(UnreadableVideoError, match=r"v\.m3u8: is a playlist; give the videos"):
        scan(inner / "v.m3u8")


def test_a_codec_that_nobody_knows_says_so(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    encode(path, "libx264", {}, clip(3, 1, seconds=1))
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/???"))
    with pytest.raises(UnreadableVideoError, match=r"v\.mkv: no decoder for the video stream"):
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


def test_packets_tell_what_decoding_finds(real_clips: Path) -> None:
    compared = 0
    for name in find(real_clips):
        try:
            decoded = scan_frames(real_clips / name)
        except UnreadableVideoError:
            continue
        if (listed := scan_packets(real_clips / name)) is None:
            # Two codecs whose packets do not tell, and a file that misses a frame.
            assert decoded.codec in ("h263", "vp8") or name == "de_corrupted.mp4"
            continue
        assert listed == decoded
        compared += 1
    assert compared == 29


@pytest.mark.parametrize("colours", [None, "smpte2084", "arib-std-b67"])
def test_hdr_is_a_caveat(colours: str | None, tmp_path: Path) -> None:
    path, params = tmp_path / "v.mp4", "log-level=none:keyint=12"
    if colours:
        params += f":colorprim=bt2020:transfer={colours}:colormatrix=bt2020nc"
    encode(path, "libx265", {"x265-params": params}, clip(3, 1, seconds=1))
    assert scan(path).caveats == (("hdr",) if colours else ())
    assert scan_frames(path) == scan_packets(path)


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_interlaced_is_a_caveat(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"v{suffix}"
    encode(path, "libx264", {"g": "12", "x264-params": "tff=1"}, clip(3, 1, seconds=1))
    info = scan(path)
    assert (info.caveats, info.num_frames) == (("interlaced",), 12)


def test_what_decodes_is_counted_where_a_download_was_never_finished(tmp_path: Path) -> None:
    CASES["zero_tail.mp4"].make(tmp_path / "v.mp4")
    info = scan(tmp_path / "v.mp4")
    assert info.num_frames == 96 and info.end == pytest.approx(3.84)


@pytest.mark.parametrize("codec", ["h264-b3", "hevc-b3", "vp9", "av1"])
def test_packets_that_were_never_written_show_nothing(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write(path, pictures(0, 40), CODECS[codec], CONTAINERS["mp4"])
    with av.open(str(path)) as container:
        places = [int(packet.pos or 0) for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    stop = data.index(b"moov") - 4
    path.write_bytes(data[: places[20]] + bytes(stop - places[20]) + data[stop:])
    assert scan_packets(path) is None
    assert 15 <= scan(path).num_frames <= 20
    assert scan(path).end <= 1.0


def test_a_stream_that_starts_in_the_middle_starts_at_its_first_key_frame(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mkv"
    encode(whole, "libx264", {"g": "12", "bf": "0"}, clip(3, 1, seconds=3))
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for i, packet in enumerate(source.demux(video=0)):
            if i >= 6 and packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    # 36 frames at 12 fps; those from 6 to 11 refer to what was cut off.
    info = scan(cut)
    assert info.num_frames == 24
    assert info.start == pytest.approx(1.0)
    assert info == scan_packets(cut) == scan_frames(cut)


@pytest.mark.parametrize(("codec", "intact"), [("h264-b3", 8), ("hevc-b0", 8), ("av1", 40)])
def test_no_end_is_promised_that_does_not_decode(tmp_path: Path, codec: str, intact: int) -> None:
    """The packets are there and begin as they should; what follows is noise."""
    path = tmp_path / "v.mkv"
    write(path, pictures(0, 60), CODECS[codec], CONTAINERS["mp4" if intact == 8 else "mkv"])
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data, noise = bytearray(path.read_bytes()), np.random.default_rng(0)
    for start, size in places[45:]:
        assert start is not None
        data[start + intact : start + size] = noise.bytes(max(0, size - intact))
    path.write_bytes(data)
    info = scan(path)
    assert info == scan_frames(path) and 1 < info.end < 2.4
    decode(path, [info.start, info.end - 1e-3], (32, 48))
    with pytest.raises(UnreadableVideoError, match=r"shows 0\.000 s to .*does not decode, or"):
        decode(path, [2.399], (32, 48))
