"""Every frame of a file in order: the reference that all faster ways are measured by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from kuleshov.frames.container import packets


def on_screen(container: Any, stream: VideoStream) -> Iterator[tuple[float, float, VideoFrame]]:
    """(appears, disappears, frame) of each frame, in seconds: each stays until the next one.

    Packets that cannot be decoded are passed over; what the decoder gives on both sides of them
    is kept.
    """
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
        duration = float((frame.duration or 0) * (frame.time_base or 0))
        yield time, time + last_duration(duration, first, time, count, stream), frame


def last_duration(
    duration: float, first: float, last: float, count: int, stream: VideoStream
) -> float:
    """Seconds for which the last frame stays: as the container says, else as long as the others."""
    mean_gap = (last - first) / (count - 1) if count > 1 else 0.0
    return duration or mean_gap or 1 / float(stream.average_rate or 25)


def _in_order(container: Any, stream: VideoStream) -> Iterator[tuple[float, VideoFrame]]:
    """(presentation time, frame) with strictly increasing times."""
    last = -math.inf
    for packet in packets(container, stream):
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
