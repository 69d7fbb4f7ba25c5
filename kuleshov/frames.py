"""Decoding: the one module that imports PyAV.

What "the frame at t seconds" means: the frame on screen at that presentation time, that is, the
last one whose timestamp is not after t.

    pts      3.70      3.73      3.77            3.90     end 3.93
    screen   [ frame 0 ][ frame 1 ][    frame 2   ][ frame 3 ]
                              ^ t = 3.75 shows frame 1

So nothing here counts frames or multiplies by a frame rate, and variable frame rate, edit lists
and start offsets come out right. Where a file holds several video streams, FFmpeg's default one
is used (`av_find_best_stream`: what ffplay shows). Packets that cannot be decoded are passed
over; what the decoder gives on both sides of them is kept.

Correct first: frames are decoded from the start of the file up to the last one that is wanted.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from kuleshov.errors import UnreadableVideoError
from kuleshov.sample import Pixels

# The same pixels on every machine: no SIMD shortcuts that round differently.
_EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
# A time that was computed, or read back from JSON, may miss its frame's timestamp by a rounding
# error; no video has frames this close together.
_TOLERANCE = 1e-6


class StreamInfo(NamedTuple):
    """What decoding a whole file shows of it; times in seconds, sizes in display pixels."""

    start: float
    end: float
    num_frames: int
    width: int
    height: int
    codec: str


def scan(path: Path) -> StreamInfo:
    """Decode a file from end to end and report what is really there.

    Headers are not believed: they claim frames that a truncated file no longer holds.

    Raises:
        UnreadableVideoError: no frame can be decoded; the message says why.
    """
    with _open(path) as (container, stream):
        start, end, num_frames = math.nan, math.nan, 0
        for appears, disappears, frame in _on_screen(container, stream):
            if not num_frames:
                start, (width, height) = appears, _display_size(frame, stream)
            end = disappears
            num_frames += 1
        if not num_frames:
            raise UnreadableVideoError(f"{path.name}: no frame of the video stream can be decoded")
        codec = stream.codec_context.codec.canonical_name
        return StreamInfo(start, end, num_frames, width, height, codec)


def decode(path: Path, seconds: list[float], size: tuple[int, int]) -> Pixels:
    """The frames on screen at the given times, upright, scaled to `size` by swscale.

    Args:
        path: the video file.
        seconds: presentation times, in any order, repeats allowed.
        size: (height, width) of the result.

    Returns:
        uint8 array of shape (len(seconds), height, width, 3).

    Raises:
        UnreadableVideoError: the file cannot be decoded, or a time lies outside of it.
    """
    frames = np.empty((len(seconds), *size, 3), np.uint8)
    waiting = sorted(range(len(seconds)), key=lambda i: seconds[i], reverse=True)
    start, end = math.inf, math.nan
    reformatter = VideoReformatter()
    with _open(path) as (container, stream):
        for appears, disappears, frame in _on_screen(container, stream):
            start, end = min(start, appears), disappears
            here = []
            while waiting and start - _TOLERANCE <= seconds[waiting[-1]] < disappears - _TOLERANCE:
                here.append(waiting.pop())
            if here:
                frames[here] = _upright(frame, size, reformatter)
            if not waiting or seconds[waiting[-1]] < start - _TOLERANCE:
                break
    if waiting:
        raise UnreadableVideoError(
            f"{path.name}: no frame at {seconds[waiting[-1]]:.3f} s; the file shows {start:.3f} s "
            f"to {end:.3f} s. Has the file changed since the samples were made?"
        )
    return frames


def write_video(path: Path, frames: Pixels, fps: int) -> None:
    """Frames as an H.264 mp4 that every player opens; sides must be even.

    The same frames give the same bytes. For that x264 must do without B-frames and macroblock
    trees: on frames as small as 64 x 64 its look-ahead decides by memory that it never wrote.
    """
    temporary = path.with_suffix(".part.mp4")
    reformatter = VideoReformatter()
    with av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {
            "crf": "18",
            "preset": "veryfast",
            "threads": "1",
            "bf": "0",
            "x264-params": "mbtree=0",
        }
        for pixels in frames:
            frame = reformatter.reformat(
                av.VideoFrame.from_ndarray(pixels, format="rgb24"),
                format="yuv420p",
                interpolation=Interpolation.BICUBIC | _EXACT,
                threads=1,
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    os.replace(temporary, path)


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, VideoStream]]:
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreadableVideoError(f"{path.name}: cannot be opened as a video: {reason}") from error
    with container:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise UnreadableVideoError(f"{path.name}: has no video stream")
        # One thread per process: the parallelism is one process per core.
        stream.codec_context.thread_count = 1
        yield container, stream


def _on_screen(container: Any, stream: VideoStream) -> Iterator[tuple[float, float, VideoFrame]]:
    """(appears, disappears, frame) of each frame, in seconds: each stays until the next one."""
    previous: tuple[float, VideoFrame] | None = None
    first, count = 0.0, 0
    for time, frame in _in_order(container, stream):
        if previous is None:
            first = time
        else:
            yield previous[0], time, previous[1]
        previous, count = (time, frame), count + 1
    if previous is not None:
        time, frame = previous
        mean_gap = (time - first) / (count - 1) if count > 1 else 0.0
        rate = float(stream.average_rate or 25)
        yield time, time + (_duration(frame) or mean_gap or 1 / rate), frame


def _in_order(container: Any, stream: VideoStream) -> Iterator[tuple[float, VideoFrame]]:
    """(presentation time, frame) with strictly increasing times."""
    last = -math.inf
    for packet in _packets(container, stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue  # a damaged packet; the decoder goes on with the next one
        for frame in frames:
            pts = frame.pts if frame.pts is not None else frame.dts
            if pts is None or frame.time_base is None:
                continue
            time = float(pts * frame.time_base)
            # Damaged or mis-muxed files step back in time; players drop such frames too.
            if time > last:
                last = time
                yield time, frame


def _packets(container: Any, stream: VideoStream) -> Iterator[Any]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return  # the file ends in the middle of a packet
        if packet is None:
            return
        yield packet


def _duration(frame: VideoFrame) -> float:
    """How long the container says that the frame stays, in seconds; 0 where it does not say."""
    if not frame.duration or frame.time_base is None:
        return 0.0
    return float(frame.duration * frame.time_base)


def _display_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """(width, height) on screen: square pixels, after rotation."""
    aspect = stream.sample_aspect_ratio or 1
    width, height = max(1, round(frame.width * aspect)), frame.height
    return (height, width) if _quarter_turns(frame) % 2 else (width, height)


def _quarter_turns(frame: VideoFrame) -> int:
    """Counter-clockwise quarter turns that bring the stored picture upright."""
    return round(frame.rotation / 90) % 4


def _upright(frame: VideoFrame, size: tuple[int, int], reformatter: VideoReformatter) -> Pixels:
    turns = _quarter_turns(frame)
    height, width = size if turns % 2 == 0 else size[::-1]
    shrinks = width * height < frame.width * frame.height
    scaled = reformatter.reformat(
        frame,
        width=width,
        height=height,
        format="rgb24",
        interpolation=(Interpolation.AREA if shrinks else Interpolation.BICUBIC) | _EXACT,
        threads=1,
    )
    return np.rot90(scaled.to_ndarray(), turns)
