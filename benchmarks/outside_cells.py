"""Bar-code clips over containers x codecs x B-frames x time bases x joined, cut and mirrored.

Every frame's number and time must be those of a full decode by FFmpeg's command line, or the file
is a skip with the reason that belongs to it. Where the command is not installed, its numbers are
those of `outside_cells.json`, which holds what it once showed:

    python -m benchmarks.outside_cells STORED     decode all cells with the command and write them
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import referee
from benchmarks.barcode import number, pictures
from benchmarks.encoding import ONE, Coded, Held, box, copy, patched, write
from benchmarks.referee import Frames
from kuleshov.frames import decode_all
from kuleshov.progress import Progress
from kuleshov.read import read_video
from kuleshov.sample import Pixels, Skip, Video

STORED = Path(__file__).with_suffix(".json")
FRAMES = 40
TOLERANCE = 0.002
"""Seconds: some containers keep milliseconds."""
_LARGE = (112, 192)
"""(height, width) after a change of resolution."""


@dataclass(frozen=True)
class Cell:
    """One kind of file.

    Args:
        name: its file's name.
        write: writes it.
        skip: a pattern for the reason of a skip that is right, too; "" where none is.
    """

    name: str
    write: Callable[[Path], None]
    skip: str = ""


_X264 = {"preset": "veryfast", "threads": "1", "g": "12", "crf": "18"}
_X265 = "log-level=none:pools=none:frame-threads=1:keyint=12"
_MPEG = {"g": "12", "qmin": "2", "qmax": "3"}
CODECS = {
    "h264-b0": Coded("libx264", {**_X264, "bf": "0"}),
    "h264-b3": Coded("libx264", {**_X264, "bf": "3"}),
    "h264-open": Coded("libx264", {**_X264, "bf": "3", "x264-params": "open-gop=1"}),
    "h264-interlaced": Coded("libx264", {**_X264, "bf": "2", "x264-params": "tff=1"}),
    "hevc-b0": Coded("libx265", {"preset": "ultrafast", "x265-params": f"{_X265}:bframes=0"}),
    "hevc-b3": Coded("libx265", {"preset": "ultrafast", "x265-params": f"{_X265}:bframes=3"}),
    "mpeg4-b0": Coded("mpeg4", {**_MPEG, "bf": "0"}),
    "mpeg4-b2": Coded("mpeg4", {**_MPEG, "bf": "2"}),
    "mpeg2-b0": Coded("mpeg2video", {**_MPEG, "bf": "0"}),
    "mpeg2-b2": Coded("mpeg2video", {**_MPEG, "bf": "2"}),
    "mpeg1-b2": Coded("mpeg1video", {**_MPEG, "bf": "2"}),
    "vp8": Coded("libvpx", {"deadline": "realtime", "auto-alt-ref": "1", "b": "1M", "g": "12"}),
    "vp9": Coded("libvpx-vp9", {"deadline": "realtime", "auto-alt-ref": "1", "b": "1M", "g": "12"}),
    "av1": Coded("libsvtav1", {"preset": "12", "g": "12", "svtav1-params": "lp=1"}),
    "wmv1": Coded("wmv1", _MPEG),
    "wmv2": Coded("wmv2", _MPEG),
    "msmpeg4": Coded("msmpeg4", _MPEG),
    "flv1": Coded("flv", _MPEG),
    "h263": Coded("h263", _MPEG, size=(144, 176)),
    "rv20": Coded("rv20", _MPEG),
    "mjpeg": Coded("mjpeg", {"qmin": "2", "qmax": "3"}, "yuvj420p"),
    "ffv1": Coded("ffv1"),
    "prores": Coded("prores", {}, "yuv422p10le"),
    "huffyuv": Coded("huffyuv", {}, "yuv422p"),
    "png": Coded("png", {}, "rgb24"),
    "qtrle": Coded("qtrle", {}, "rgb24"),
    "raw": Coded("rawvideo"),
    "cinepak": Coded("cinepak", {}, "rgb24"),
    "gif": Coded("gif", {}, "rgb8"),
    "apng": Coded("apng", {}, "rgb24"),
}
CONTAINERS = {
    "mp4": Held("mp4", ".mp4"),
    "fragmented": Held("mp4", ".mp4", {"movflags": "frag_keyframe+empty_moov"}),
    "mov": Held("mov", ".mov"),
    "3gp": Held("3gp", ".3gp"),
    "mkv": Held("matroska", ".mkv"),
    "live-mkv": Held("matroska", ".mkv", {"live": "1"}),
    "webm": Held("webm", ".webm"),
    "avi": Held("avi", ".avi"),
    "ts": Held("mpegts", ".ts"),
    "m2ts": Held("mpegts", ".m2ts", {"mpegts_m2ts_mode": "1"}),
    "ps": Held("mpeg", ".mpg"),
    "vob": Held("vob", ".vob"),
    "flv": Held("flv", ".flv"),
    "asf": Held("asf", ".wmv"),
    "nut": Held("nut", ".nut"),
    "mxf": Held("mxf", ".mxf"),
    "ivf": Held("ivf", ".ivf"),
    "rm": Held("rm", ".rm"),
    "raw-h264": Held("h264", ".mp4"),
    "raw-hevc": Held("hevc", ".mp4"),
    "raw-mpeg2": Held("mpeg2video", ".mpg"),
    "raw-mjpeg": Held("mjpeg", ".avi"),
    "gif": Held("gif", ".gif"),
    "apng": Held("apng", ".png"),
}
TOGETHER = {
    "mp4": "h264-b0 h264-b3 h264-open h264-interlaced hevc-b0 hevc-b3 mpeg4-b0 mpeg4-b2 mpeg2-b2 "
    "vp9 av1 mjpeg png",
    "fragmented": "h264-b3 hevc-b3 mpeg4-b2 av1",
    "mov": "h264-b0 h264-b3 mpeg4-b2 mpeg2-b2 mjpeg prores qtrle",
    "3gp": "h264-b3 h263",
    "mkv": "h264-b0 h264-b3 h264-open h264-interlaced hevc-b0 hevc-b3 mpeg4-b0 mpeg4-b2 mpeg2-b2 "
    "vp8 vp9 av1 mjpeg ffv1 raw",
    "live-mkv": "h264-b3 vp9",
    "webm": "vp8 vp9 av1",
    "avi": "h264-b0 h264-b3 h264-open mpeg4-b0 mpeg4-b2 mpeg2-b0 mpeg2-b2 mpeg1-b2 vp8 wmv1 wmv2 "
    "msmpeg4 mjpeg ffv1 huffyuv raw cinepak",
    "ts": "h264-b0 h264-b3 h264-open h264-interlaced hevc-b0 hevc-b3 mpeg4-b2 mpeg2-b0 mpeg2-b2",
    "m2ts": "h264-b3 mpeg2-b2",
    "ps": "h264-b0 h264-b3 hevc-b3 mpeg4-b2 mpeg2-b0 mpeg2-b2 mpeg1-b2",
    "vob": "h264-b3 mpeg2-b0 mpeg2-b2",
    "flv": "h264-b0 h264-b3 flv1",
    "asf": "h264-b0 h264-b3 mpeg4-b0 mpeg4-b2 wmv1 wmv2 msmpeg4",
    "nut": "h264-b3 mpeg4-b2 ffv1",
    "mxf": "mpeg2-b2",
    "ivf": "vp8 vp9 av1",
    "rm": "rv20",
    "raw-h264": "h264-b0 h264-b3 h264-open",
    "raw-hevc": "hevc-b0 hevc-b3",
    "raw-mpeg2": "mpeg2-b2",
    "raw-mjpeg": "mjpeg",
    "gif": "gif",
    "apng": "apng",
}
"""The codecs of each container."""
RATES = {
    "film": Fraction(24000, 1001),
    "ntsc": Fraction(30000, 1001),
    "12.5": Fraction(25, 2),
    "60": Fraction(60),
    "odd": Fraction(997, 41),
}
JUMPS = {"same": (0, 0), "back": (100, 0), "forth": (0, 200), "gap": (0, 5)}
"""Seconds at which the clocks of two recordings start that are joined."""
_BACK = r"clock jumps back from \d+\.\d+ s to \d+\.\d+ s"


def cells() -> list[Cell]:
    """All kinds."""
    return [*_plain(), *_rates(), *_joined(), *_mirrored(), *_spoilt()]


def _plain() -> Iterator[Cell]:
    for container, codecs in TOGETHER.items():
        for codec in codecs.split():
            yield _cell(f"{container}-{codec}", container, codec)


def _rates() -> Iterator[Cell]:
    for rate, exact in RATES.items():
        for container in ("mp4", "mkv", "avi", "ts", "flv"):
            yield _cell(f"{container}-h264-b3-{rate}", container, "h264-b3", rate=exact)
        yield _cell(f"avi-mpeg4-b2-{rate}", "avi", "mpeg4-b2", rate=exact)
    for rate in ("12.5", "60"):
        yield _cell(f"asf-mpeg4-b2-{rate}", "asf", "mpeg4-b2", rate=RATES[rate])
    for rate in ("ntsc", "60"):
        yield _cell(f"ps-mpeg2-b2-{rate}", "ps", "mpeg2-b2", rate=RATES[rate])
    for scale in ("25", "90000", "1000000"):
        held = Held("mp4", ".mp4", {"video_track_timescale": scale})
        yield Cell(f"mp4-timescale-{scale}.mp4", _writes(held, CODECS["h264-b3"]))
    uneven = [i * 2 if i < 20 else 40 + (i - 20) * 5 for i in range(FRAMES)]
    for container in ("mp4", "mov", "mkv", "ts", "flv"):
        yield _cell(f"{container}-uneven", container, "h264-b3", ticks=uneven)
    late = [i + 93 for i in range(FRAMES)]
    for container in ("mp4", "mkv", "ts", "ps", "flv", "avi"):
        yield _cell(f"{container}-late-start", container, "h264-b3", ticks=late)
    for container, codec in (("avi", "mpeg4-b0"), ("avi", "mpeg4-b2"), ("asf", "mpeg4-b2")):
        hole = [i if i < 20 else i + 15 for i in range(FRAMES)]
        yield _cell(f"{container}-{codec}-hole", container, codec, ticks=hole)
    for container in ("mp4", "avi", "ts", "mkv", "flv"):
        yield _cell(f"{container}-one-frame", container, "h264-b3", count=1)


def _joined() -> Iterator[Cell]:
    for container, codec in (
        *(("ts", "h264-b3"), ("ts", "mpeg2-b2"), ("ts", "hevc-b3"), ("m2ts", "h264-b3")),
        *(("vob", "mpeg2-b2"), ("ps", "mpeg2-b2"), ("flv", "h264-b3")),
    ):
        for jump, starts in JUMPS.items():
            held, coded = CONTAINERS[container], CODECS[codec]
            name = f"{container}-{codec}-joined-{jump}{held.suffix}"
            yield Cell(name, _joins(held, coded, starts))
    for container, codec in (("ts", "h264-b3"), ("ts", "hevc-b3"), ("flv", "h264-b3")):
        held = CONTAINERS[container]
        larger = _joins(held, CODECS[codec], (0, 0), _LARGE)
        yield Cell(f"{container}-{codec}-joined-larger{held.suffix}", larger)
    for container, codec in (("raw-h264", "h264-b3"), ("raw-hevc", "hevc-b3")):
        held = CONTAINERS[container]
        yield Cell(f"{container}-joined{held.suffix}", _joins(held, CODECS[codec], (0, 0)))
    for container, codec in (("avi", "mpeg4-b2"), ("fragmented", "h264-b3")):
        held = CONTAINERS[container]
        yield Cell(f"{container}-joined{held.suffix}", _joins(held, CODECS[codec], (0, 0)))
    for container in ("mkv", "webm"):
        held, codec = CONTAINERS[container], {"mkv": "h264-b3", "webm": "vp8"}[container]
        join = _joins(held, CODECS[codec], (0, 0))
        yield Cell(f"{container}-joined{held.suffix}", join, _BACK)


def _mirrored() -> Iterator[Cell]:
    matrices = {
        "left-right": (-ONE, 0, 0, ONE),
        "up-down": (ONE, 0, 0, -ONE),
        "half-turn": (-ONE, 0, 0, -ONE),
        "transposed": (0, ONE, ONE, 0),
        "clockwise": (0, ONE, -ONE, 0),
        "anticlockwise": (0, -ONE, ONE, 0),
        "antitransposed": (0, -ONE, -ONE, 0),
    }
    for name, matrix in matrices.items():
        for container in ("mp4", "mov"):
            held = CONTAINERS[container]
            yield Cell(f"{container}-{name}{held.suffix}", _turned(held, matrix))


def _spoilt() -> Iterator[Cell]:
    b3, b2 = CODECS["h264-b3"], CODECS["mpeg2-b2"]
    ts, mkv, mp4 = CONTAINERS["ts"], CONTAINERS["mkv"], CONTAINERS["mp4"]
    for container, packet in (("ts", 188), ("m2ts", 192)):
        held = CONTAINERS[container]
        yield Cell(f"{container}-starts-late{held.suffix}", _without_front(held, b3, packet))
    yield Cell("ts-mpeg2-starts-late.ts", _without_front(ts, b2, 188))
    yield Cell("raw-h264-starts-late.mp4", _without_front(CONTAINERS["raw-h264"], b3, 1))
    for container, coded in (
        *(("mkv", b3), ("ts", b3), ("flv", b3), ("fragmented", b3), ("avi", CODECS["mpeg4-b2"])),
        *(("webm", CODECS["vp9"]), ("asf", CODECS["wmv2"]), ("vob", b2)),
    ):
        held = CONTAINERS[container]
        yield Cell(f"{container}-cut-off{held.suffix}", _without_end(held, coded))
    for container in ("mkv", "ts", "flv", "mp4"):
        held = CONTAINERS[container]
        # The frame after the second key frame, to which others refer.
        yield Cell(f"{container}-lost-frame{held.suffix}", _without_packets(held, range(13, 14)))
        yield Cell(f"{container}-lost-key{held.suffix}", _without_packets(held, range(5)))
    yield Cell("mp4-edited.mp4", _edited)
    yield Cell("mkv-negative.mkv", _negative)
    yield Cell("avi-packed.avi", packed)
    yield Cell("avi-copied-to.mp4", _copied(mp4), _BACK)
    yield Cell("avi-copied-to.mkv", _copied(mkv), _BACK)


def _cell(
    name: str,
    container: str,
    codec: str,
    rate: Fraction = Fraction(25),
    ticks: list[int] | None = None,
    count: int = FRAMES,
) -> Cell:
    held = CONTAINERS[container]
    return Cell(f"{name}{held.suffix}", _writes(held, CODECS[codec], rate, ticks, count))


def _writes(
    held: Held,
    coded: Coded,
    rate: Fraction = Fraction(25),
    ticks: list[int] | None = None,
    count: int = FRAMES,
) -> Callable[[Path], None]:
    return lambda path: write(path, pictures(0, count), coded, held, rate, ticks)


def _joins(
    held: Held, coded: Coded, starts: tuple[int, int], size: tuple[int, int] | None = None
) -> Callable[[Path], None]:
    """Two recordings, the bytes of one after those of the other."""

    def make(path: Path) -> None:
        half = FRAMES // 2
        data = b""
        for part, start in enumerate(starts):
            frames = pictures(part * half, half, *([size] if part and size else []))
            ticks = [start * 25 + i for i in range(half)]
            write(path, frames, coded, held, ticks=ticks)
            data += path.read_bytes()
        path.write_bytes(data)

    return make


def _turned(held: Held, matrix: tuple[int, int, int, int]) -> Callable[[Path], None]:
    """Pictures that come upright by a display matrix."""
    a, b, c, d = matrix
    transposed = not a

    def make(path: Path) -> None:
        size = (160, 96) if transposed else (96, 160)
        frames = pictures(0, FRAMES, size)
        frames = frames[:, :, ::-1] if (c if transposed else a) < 0 else frames
        frames = frames[:, ::-1] if (b if transposed else d) < 0 else frames
        stored: Pixels = frames.transpose(0, 2, 1, 3) if transposed else frames
        write(path, np.ascontiguousarray(stored), CODECS["h264-b3"], held, matrix=matrix)

    return make


def _without_front(held: Held, coded: Coded, packet: int) -> Callable[[Path], None]:
    """What a recorder writes that is switched on in the middle of a broadcast."""

    def make(path: Path) -> None:
        write(path, pictures(0, FRAMES), coded, held)
        data = path.read_bytes()
        path.write_bytes(data[len(data) // packet // 4 * packet :])

    return make


def _without_end(held: Held, coded: Coded) -> Callable[[Path], None]:
    """A download that broke off."""

    def make(path: Path) -> None:
        write(path, pictures(0, FRAMES), coded, held)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 2 // 3])

    return make


def _without_packets(held: Held, lost: range) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        whole = path.with_name(f"whole-{path.name}")
        write(whole, pictures(0, FRAMES), CODECS["h264-b3"], held)
        copy(whole, path, held, lambda i, packet: None if i in lost else packet)
        whole.unlink()

    return make


def _edited(path: Path) -> None:
    """An edit list that starts half a second into the pictures."""
    write(path, pictures(0, FRAMES), CODECS["h264-b3"], CONTAINERS["mp4"])
    data = path.read_bytes()
    place = box(data, b"elst") + 8  # after version, flags and the number of edits
    length, start = (int.from_bytes(data[place + i : place + i + 4]) for i in (0, 4))
    # The length is in units of the movie, which are milliseconds; the start in those of the track.
    scale = int.from_bytes(data[box(data, b"mdhd") + 12 :][:4])
    changed = (length - 500).to_bytes(4) + (start + scale // 2).to_bytes(4)
    path.write_bytes(patched(data, place, changed))


def _negative(path: Path) -> None:
    """Times before 0, as a cut without encoding leaves them."""
    whole = path.with_name("whole.mkv")
    write(whole, pictures(0, FRAMES), CODECS["mpeg4-b0"], CONTAINERS["mkv"])

    def earlier(_: int, packet: Any) -> Any:
        packet.pts, packet.dts = packet.pts - 320, packet.dts - 320
        return packet

    copy(whole, path, Held("matroska", ".mkv", {"avoid_negative_ts": "disabled"}), earlier)
    whole.unlink()


def _copied(held: Held) -> Callable[[Path], None]:
    """H.264 with B-frames from an AVI, whose packets got the times of their order."""

    def make(path: Path) -> None:
        whole = path.with_name("whole.avi")
        write(whole, pictures(0, FRAMES), CODECS["h264-b3"], CONTAINERS["avi"])

        def counted(_: int, packet: Any) -> Any:
            packet.pts = packet.dts
            return packet

        copy(whole, path, held, counted)
        whole.unlink()

    return make


def packed(path: Path, count: int = FRAMES) -> None:
    """What DivX 5 wrote: a B-frame in the packet of the frame that it refers to, and a stand-in.

    encoded   I0   P2   B1   P4   B3
    packets   I0   P2+B1   -    P4+B3   -
    """
    whole = path.with_name("whole.avi")
    coded = Coded("mpeg4", {"g": "12", "qmin": "2", "qmax": "3", "bf": "1"})
    write(whole, pictures(0, count), coded, CONTAINERS["avi"])
    encoded: list[bytes] = []
    copy(whole, path, CONTAINERS["avi"], lambda _, packet: encoded.append(bytes(packet)))
    kind = [data[data.index(b"\0\0\1\xb6") + 4] >> 6 for data in encoded]  # 2 for a B-frame
    packed: list[bytes] = []
    for data, is_b in zip(encoded, [one == 2 for one in kind], strict=True):
        if is_b:
            packed[-1] += data
            packed.append(_NOT_CODED)
        else:
            packed.append(data)
    # The decoder finds out from this note in the first packet.
    packed[0] = packed[0].replace(b"\0\0\1\xb6", b"\0\0\1\xb2DivX503b1393p\0\0\1\xb6", 1)

    def replaced(i: int, packet: Any) -> Any:
        changed = type(packet)(packed[i])
        changed.pts, changed.dts, changed.time_base = None, packet.dts, packet.time_base
        changed.is_keyframe = packet.is_keyframe
        return changed

    copy(whole, path, CONTAINERS["avi"], replaced)
    whole.unlink()


_NOT_CODED = bytes.fromhex("000001b6") + bytes([0b01_0_1_0000, 0b0_1_0_01111, 0x7F])
"""A P-frame of MPEG-4 that says: the one before once more. Its time is not looked at."""


def differences(cell: Cell, path: Path, expected: Frames) -> list[str]:
    """What is wrong with what is seen of a file; nothing where it is right.

    Args:
        cell: what the file is.
        path: the file.
        expected: what the referee shows.
    """
    video = read_video(path.parent, path.name)
    if isinstance(video, Skip):
        right = bool(cell.skip) and re.search(cell.skip, video.reason) is not None
        return [] if right else [f"skipped: {video.reason}"]
    times, frames = decode_all(path)
    numbers = [number(frame) for frame in frames]
    if video.num_frames != len(expected) or numbers != [one for one, _ in expected]:
        return [f"{video.num_frames} frames {numbers} for {[one for one, _ in expected]}"]
    # The referee's clock starts where the container does.
    off = max(
        abs(ours - times[0] - (theirs - expected[0][1]))
        for ours, (_, theirs) in zip(times, expected, strict=True)
    )
    if off > TOLERANCE:
        return [f"times are off by up to {off:.4f} s"]
    return _asked(video, times, numbers)


def _asked(video: Video, times: list[float], numbers: list[int]) -> list[str]:
    """Whether the frames at given times are the right ones, whatever is asked together."""
    ends = [*times[1:], video.end]
    middles = [
        start + 0.4 * (end - start)
        for start, end in zip(times, ends, strict=True)
        if end - start > TOLERANCE
    ]
    # A frame stays until the next one comes, also where that is late.
    on_screen = {
        time: next(one for one, end in zip(numbers, ends, strict=True) if end > time)
        for time in middles
    }
    rng = random.Random(video.id)
    few = [rng.sample(middles, min(count, len(middles))) for count in (1, 1, 1, 5)]
    wrong = []
    for asked in (middles, *few):
        frames = video.frames(asked, (video.height, video.width))
        seen, wanted = [number(one) for one in frames], [on_screen[time] for time in asked]
        if seen != wanted:
            wrong.append(f"at {asked} frames {seen}, not {wanted}")
    return wrong


def run(progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Make all cells and look at them.

    Returns:
        The number of cells, of those that are wrong, and what is wrong with them.
    """
    command = referee.ffmpeg()
    known = {} if command else stored()
    wrong: dict[str, list[str]] = {}
    todo = cells()
    with tempfile.TemporaryDirectory(prefix="outside-cells-") as folder:
        for done, cell in enumerate(todo):
            progress("cells", done, len(todo))
            path = Path(folder) / cell.name
            cell.write(path)
            expected = referee.decoded(command, path) if command else known[cell.name]
            if said := differences(cell, path, expected):
                wrong[cell.name] = said
            path.unlink()
        progress("cells", len(todo), len(todo))
    return {"cells": len(todo), "cells_wrong": len(wrong), "wrong": wrong}


def stored() -> dict[str, Frames]:
    """What the command showed when `STORED` was written."""
    loaded = json.loads(STORED.read_text(encoding="utf-8"))["cells"]
    return {name: _expanded(runs) for name, runs in loaded.items()}


def _runs(shown: Frames) -> list[list[float]]:
    """Frames as [first number, its time, how many, step in numbers, step in time]."""
    runs: list[list[float]] = []
    for one, time in shown:
        if runs:
            run = runs[-1]
            first, start, count, by, step = run
            if count == 1:
                run[2:] = [2, one - first, round(time - start, 6)]
                continue
            if one == first + count * by and abs(time - start - count * step) < 2e-4:
                run[2] += 1
                continue
        runs.append([one, time, 1, 0, 0])
    return runs


def _expanded(runs: list[list[float]]) -> Frames:
    return [
        (int(first + i * by), start + i * step)
        for first, start, count, by, step in runs
        for i in range(int(count))
    ]


def main() -> None:
    command = referee.ffmpeg()
    if command is None:
        sys.exit("ffmpeg is not installed")
    shown: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="outside-cells-") as folder:
        for cell in cells():
            path = Path(folder) / cell.name
            cell.write(path)
            shown[cell.name] = _runs(referee.decoded(command, path))
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(runs)}" for name, runs in shown.items())
    how = "python -m benchmarks.outside_cells: runs of frames as in its _runs"
    header = f'"how": {json.dumps(how)}, "by": {json.dumps(referee.version(command))}'
    STORED.write_text(f'{{{header}, "cells": {{\n{lines}\n}}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
