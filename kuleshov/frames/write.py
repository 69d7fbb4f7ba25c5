"""Frames into a file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from kuleshov.errors import UsageError
from kuleshov.files import replacing
from kuleshov.frames.scale import EXACT
from kuleshov.sample import Pixels

_REPEATABLE = {"preset": "veryfast", "threads": "1", "bf": "0"}
"""The same frames give the same bytes. For that x264 must do without B-frames and, below, without
macroblock trees: on frames as small as 64 x 64 its look-ahead decides by memory that it never
wrote."""

_TICKS = 1_000_000
"""Of a second: recipes round their times to this."""

_LONGEST = 2**31 - 1
"""Ticks that one frame can stay on screen, by the width of the field in the file."""


def write_video(path: Path, frames: Pixels, fps: int) -> None:
    """Frames as an H.264 mp4 that every player opens; sides must be even.

    The same frames give the same bytes.
    """
    with replacing(path) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {**_REPEATABLE, "crf": "18", "x264-params": "mbtree=0"}
        for frame in _converted(frames):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def encode_video(frames: Pixels, seconds: list[float], quantizer: int) -> bytes:
    """Frames as an H.264 mp4 in which each one is on screen from its own time on.

    The same frames and times give the same bytes. Every block of every frame has the same
    quantizer, key frames included: what a frame shows, when it is shown and what is around it
    change nothing about how well it is kept.

    Args:
        frames: at least one, shape (frames, height, width, 3), with even sides.
        seconds: when each frame appears, see `presentation`.
        quantizer: 1 (hardly anything is lost but colour resolution) to 51 (most).

    Raises:
        UsageError: no frames, an odd side, or a frame that stays for more than half an hour.
    """
    height, width = frames.shape[1:3]
    if not len(frames) or height % 2 or width % 2:
        raise UsageError(
            f"{len(frames)} frames of {width} x {height} pixels cannot be an H.264 video; "
            "allowed: at least one frame with even sides (knob size_multiple)"
        )
    ticks = [round(second * _TICKS) for second in presentation(seconds)]
    gaps = [after - before for before, after in pairwise(ticks)]
    if max(gaps, default=0) > _LONGEST:
        raise UsageError(
            f"a frame stays for {max(gaps) / _TICKS:.0f} s, which an mp4 with times to the "
            f"microsecond cannot hold; allowed: up to {_LONGEST / _TICKS:.0f} s"
        )
    # The last frame stays as long as the mean of the others.
    durations = [*gaps, round(sum(gaps) / len(gaps)) if gaps else _TICKS]
    lasts = dict(zip(ticks, durations, strict=True))
    file, time_base = io.BytesIO(), Fraction(1, _TICKS)
    # Without its own time scale, a start other than 0 would be rounded to milliseconds.
    options = {"movie_timescale": str(_TICKS)}
    with av.open(file, "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264")
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = time_base
        stream.options = {
            **_REPEATABLE,
            "qp": str(quantizer),
            "x264-params": "mbtree=0:ipratio=1",
        }
        for frame, tick in zip(_converted(frames), ticks, strict=True):
            frame.pts, frame.time_base = tick, time_base
            container.mux(_lasting(stream.encode(frame), lasts))
        container.mux(_lasting(stream.encode(), lasts))
    return file.getvalue()


def presentation(seconds: list[float]) -> list[float]:
    """The times at which `encode_video` presents frames: those given, to the microsecond.

    In a file every frame comes after the one before, which recipes do not ask for. A still, whose
    times never advance, is one frame a second, as the models are told. Elsewhere, a time that
    does not come after the one before comes a microsecond after it.

    >>> presentation([0.5, 0.75, 0.75, 1.5])
    [0.5, 0.75, 0.750001, 1.5]
    >>> presentation([0.5, 0.5, 0.5])
    [0.5, 1.5, 2.5]
    """
    if not any(after > before for before, after in pairwise(seconds)):
        return [round(seconds[0] + i, 6) for i in range(len(seconds))]
    ticks: list[int] = []
    for second in seconds:
        tick = round(second * _TICKS)
        ticks.append(max(tick, ticks[-1] + 1) if ticks else tick)
    return [tick / _TICKS for tick in ticks]


def _converted(frames: Pixels) -> Iterator[VideoFrame]:
    reformatter = VideoReformatter()
    for pixels in frames:
        yield reformatter.reformat(
            av.VideoFrame.from_ndarray(pixels, format="rgb24"),
            format="yuv420p",
            interpolation=Interpolation.BICUBIC | EXACT,
            threads=1,
        )


def _lasting(packets: Iterable[Any], durations: dict[int, int]) -> list[Any]:
    """Packets with the durations that belong to their times; x264 gives none."""
    found = list(packets)
    for packet in found:
        packet.duration = durations[packet.pts]
    return found
