"""Files in any codec and container that PyAV's FFmpeg writes, and changed copies of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from kuleshov.sample import Pixels

ONE = 1 << 16
"""1 in a display matrix."""


@dataclass(frozen=True)
class Coded:
    """How pictures are encoded.

    Args:
        encoder: FFmpeg's name of it.
        options: of the encoder.
        pixels: the format of pixels.
        size: (height, width) where the codec has only some; None for that of the pictures.
    """

    encoder: str
    options: dict[str, str] = field(default_factory=dict)
    pixels: str = "yuv420p"
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Held:
    """How packets are held.

    Args:
        format: FFmpeg's name of the container.
        suffix: of the file's name.
        options: of the muxer.
    """

    format: str
    suffix: str
    options: dict[str, str] = field(default_factory=dict)


def write(
    path: Path,
    frames: Pixels,
    coded: Coded,
    held: Held,
    rate: Fraction = Fraction(25),
    ticks: Sequence[int] | None = None,
    matrix: tuple[int, int, int, int] | None = None,
) -> None:
    """Write pictures as a file.

    Args:
        path: the file.
        frames: the pictures.
        coded: how they are encoded.
        held: how they are held.
        rate: frames a second.
        ticks: when each one appears, in units of 1 / rate; None for 0, 1, 2, ...
        matrix: a, b, c, d of a display matrix: x' = a x + c y, y' = b x + d y.
    """
    with av.open(str(path), "w", format=held.format, options=held.options) as container:
        stream: Any = container.add_stream(coded.encoder, rate=rate)
        stream.height, stream.width = coded.size or frames.shape[1:3]
        stream.pix_fmt = coded.pixels
        stream.options = coded.options
        if matrix is not None:
            a, b, c, d = matrix
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = i if ticks is None else ticks[i]
            frame.time_base = 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def copy(
    source: Path,
    path: Path,
    held: Held,
    change: Callable[[int, Any], Any] = lambda _, packet: packet,
) -> None:
    """Copy the packets of a file into another container.

    Args:
        source: the file.
        path: the copy.
        held: how it is held.
        change: gives the packet to write for the nth one, or None to leave it out.
    """
    with (
        av.open(str(source)) as read,
        av.open(str(path), "w", format=held.format, options=held.options) as written,
    ):
        target = written.add_stream_from_template(read.streams.video[0])
        number = 0
        for packet in read.demux(video=0):
            if not packet.size:
                continue
            changed = change(number, packet)
            number += 1
            if changed is not None:
                changed.stream = target
                written.mux(changed)


def box(data: bytes, kind: bytes) -> int:
    """Where the content of the first box of a kind starts in an MP4 file."""
    return data.index(kind) + 4


def patched(data: bytes, place: int, value: bytes) -> bytes:
    """Bytes with others in their place."""
    return data[:place] + value + data[place + len(value) :]
