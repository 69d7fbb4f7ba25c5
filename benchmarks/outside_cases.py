"""Files of the kind that public reports describe, each with what is true of it.

All kinds are made here. Where there is a folder of such files (`KULESHOV_CASES`, or
`shared/cases/videos` beside the repository), these are checked too: a file of the same name has
the same truth, unless `GIVEN` says otherwise.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.barcode import number, pictures
from benchmarks.encoding import ONE, Coded, copy, write
from benchmarks.outside_cells import CODECS, CONTAINERS, packed
from kuleshov.frames import decode_all
from kuleshov.read import read_video
from kuleshov.sample import Pixels, Skip
from kuleshov.sources import Asked, find

ROOT = Path(__file__).parent.parent
RATE = 25
_TOLERANCE = 1e-3


Truth = Callable[[Path], list[str]]
"""Gives what is wrong with what is seen of a file; nothing where it is right."""


@dataclass(frozen=True)
class Case:
    """One kind of file.

    Args:
        make: writes a file of the kind.
        truth: what is true of it.
    """

    make: Callable[[Path], None]
    truth: Truth


def shows(count: int, last: float, in_order: bool = True, more: Truth = lambda _: []) -> Truth:
    """A truth: so many frames.

    Args:
        count: how many.
        last: seconds from the first one to the last.
        in_order: every frame is the next one, 1/25 s after the one before.
        more: another truth.
    """

    def wrong(path: Path) -> list[str]:
        video = read_video(path.parent, path.name)
        if isinstance(video, Skip):
            return [f"skipped: {video.reason}"]
        times, frames = decode_all(path)
        numbers = [number(frame) for frame in frames]
        said = []
        if not video.num_frames == len(numbers) == count:
            said.append(
                f"{video.num_frames} frames are promised and {len(numbers)} come: {numbers}"
            )
        length = times[-1] - times[0]
        if abs(length - last) > _TOLERANCE or abs(video.duration - last - 1 / RATE) > _TOLERANCE:
            said.append(f"the last frame comes after {length} s of {video.duration}")
        uneven = max(abs(time - times[0] - i / RATE) for i, time in enumerate(times))
        if in_order and (numbers != list(range(count)) or uneven > _TOLERANCE):
            said.append(f"frames {numbers}, off by up to {uneven:.3f} s")
        size = (video.height, video.width)
        middles = [time + 0.4 / RATE for time in times]
        seen = [number(frame) for frame in video.frames(middles, size)]
        alone = [number(video.frames([middle], size)[0]) for middle in middles[::9]]
        if seen != numbers or alone != numbers[::9]:
            said.append("frames depend on what else is asked")
        return [*said, *more(path)]

    return wrong


def at(second: float, expected: int) -> Truth:
    """A truth: which frame is on screen."""

    def wrong(path: Path) -> list[str]:
        video = read_video(path.parent, path.name)
        if isinstance(video, Skip):
            return [f"skipped: {video.reason}"]
        seen = number(video.frames([second], (video.height, video.width))[0])
        return [] if seen == expected else [f"at {second} s frame {seen}, not {expected}"]

    return wrong


def skipped(reason: str) -> Truth:
    """A truth: it is skipped, and why."""

    def wrong(path: Path) -> list[str]:
        video = read_video(path.parent, path.name)
        if not isinstance(video, Skip):
            return [f"read, and not skipped as it {reason}"]
        return [] if reason in video.reason else [f"skipped: {video.reason}; it {reason}"]

    return wrong


def mirrored(path: Path) -> list[str]:
    """A truth: left and right are exchanged, and nothing is upside down."""
    _, frames = decode_all(path)
    numbers = [number(frame[:, ::-1]) for frame in frames]
    # Red, at the left of the bottom as it is stored.
    corner = frames[0][-frames.shape[1] // 6 :, -frames.shape[2] // 6 :].mean((0, 1))
    said = [] if numbers == list(range(len(frames))) else [f"mirrored numbers {numbers}"]
    return said if corner[0] > 150 > corner[2] else [*said, f"bottom right is {corner}, not red"]


def listed(path: Path) -> list[str]:
    """A truth: the list names one file, which is there, and so does its folder."""
    said = []
    for address in (path, path.parent):
        found = find(Asked(str(address), path.parent / "extracted"))
        if len(found.paths) != 1 or found.skips:
            said.append(f"{address}: {found}")
            continue
        video = read_video(found.root, found.paths[0])
        if isinstance(video, Skip):
            said.append(f"{address}: skipped: {video.reason}")
    return said


def _encoded(
    path: Path, codec: str, container: str, count: int, first: int = 0, second: int = 0
) -> None:
    """Pictures from number `first` on, whose clock starts at `second`."""
    ticks = [second * RATE + i for i in range(count)]
    write(path, pictures(first, count), CODECS[codec], CONTAINERS[container], ticks=ticks)


def _zero_tail(path: Path) -> None:
    """300 frames of which the bytes after the first 96 were never written."""
    whole = path.with_name(f"whole-{path.name}")
    _encoded(whole, "h264-b0", "mp4", 300)
    with av.open(str(whole)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = whole.read_bytes()
    stop = data.index(b"moov") - 4  # at the end, and read by who looks for it first
    start = int(places[96] or 0)
    path.write_bytes(data[:start] + bytes(stop - start) + data[stop:])
    whole.unlink()


def _stamped(path: Path) -> None:
    """A program stream with one time stamp for several frames."""
    coded = Coded("libx264", {"preset": "veryfast", "threads": "1", "g": "250", "bf": "0"})
    write(path, pictures(0, 100), coded, CONTAINERS["ps"])


def _joined(second: int, first: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        data = b""
        for part, start in enumerate((first, second)):
            _encoded(path, "h264-b3", "ts", 50, part * 50, start)
            data += path.read_bytes()
        path.write_bytes(data)

    return make


def _encrypted(path: Path) -> None:
    whole = path.with_name(f"whole-{path.name}")
    _encoded(whole, "h264-b3", "mp4", 50)
    held = CONTAINERS["mp4"]
    keys = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "00112233445566778899aabbccddeeff",
        "encryption_kid": "ffeeddccbbaa99887766554433221100",
    }
    copy(whole, path, type(held)(held.format, held.suffix, keys))
    whole.unlink()


def _podcast(path: Path) -> None:
    """Sound with a cover picture."""
    with av.open(str(path), "w", format="mp4") as container:
        sound: Any = container.add_stream("aac", rate=44100, layout="mono")
        cover: Any = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = 1 << 10  # attached_pic
        picture = av.VideoFrame.from_ndarray(pictures(0, 1, (64, 64))[0], format="rgb24")
        container.mux(cover.encode(picture))
        container.mux(cover.encode())
        tone = np.sin(np.arange(44100) / 20).astype(np.float32)[None]
        for start in range(0, 43008, 1024):
            frame = av.AudioFrame.from_ndarray(tone[:, start : start + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts = 44100, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode())


def _mirrored(path: Path) -> None:
    frames: Pixels = pictures(0, 50)
    matrix = (-ONE, 0, 0, ONE)
    write(path, frames, CODECS["h264-b3"], CONTAINERS["mp4"], matrix=matrix)


def _list(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _encoded(path.with_name("a [x1].mp4"), "h264-b3", "mp4", 80)
    path.write_text("a [x1].mp4\n")


CASES = {
    "zero_tail.mp4": Case(_zero_tail, shows(96, 3.8)),
    "h264_b.avi": Case(
        lambda path: _encoded(path, "h264-b3", "avi", 100), shows(100, 3.96, more=at(1.281, 30))
    ),
    "xvid_b.avi": Case(lambda path: packed(path, 100), shows(100, 3.96)),
    "h264_ps.mpg": Case(_stamped, shows(100, 3.96)),
    "raw_h264.mp4": Case(lambda path: _encoded(path, "h264-b3", "raw-h264", 100), shows(100, 3.96)),
    "cat_same.ts": Case(_joined(0, 0), shows(100, 3.96)),
    "cat_back.ts": Case(_joined(0, 100), shows(100, 3.96)),
    "hflip.mp4": Case(_mirrored, mirrored),
    "cenc.mp4": Case(_encrypted, skipped("is encrypted")),
    "podcast.mp4": Case(_podcast, skipped("has no video stream but a cover")),
    "data [v2]/list.txt": Case(_list, listed),
}
"""By the name of a file."""
GIVEN: dict[str, Truth] = {
    # Behind a lost frame and within one that is half there.
    "zero_tail.mp4": shows(96, 3.88, in_order=False),
    # Its encoder dropped two.
    "xvid_b.avi": shows(98, 3.88, in_order=False),
}
"""Truths of files of the folder that differ from those of the files made here."""


def given_folder() -> Path | None:
    """The folder of such files, if there is one."""
    named = os.environ.get("KULESHOV_CASES")
    folder = Path(named) if named else ROOT.parent / "shared" / "cases" / "videos"
    return folder if folder.is_dir() else None


def run() -> dict[str, Any]:
    """Make all cases and check them, and those of the folder.

    Returns:
        The number of cases, of those that are wrong, and what is wrong with them.
    """
    wrong: dict[str, list[str]] = {}
    count = 0
    with tempfile.TemporaryDirectory(prefix="outside-cases-") as folder:
        for name, case in CASES.items():
            path = Path(folder) / name
            case.make(path)
            count += 1
            if said := case.truth(path):
                wrong[name] = said
    if (there := given_folder()) is not None:
        for name, case in CASES.items():
            path = there / name
            if path.is_file():
                count += 1
                if said := GIVEN.get(name, case.truth)(path):
                    wrong[str(path)] = said
    return {"cases": count, "cases_wrong": len(wrong), "wrong": wrong}
