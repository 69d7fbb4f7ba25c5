"""Every frame of a file in order: the reference that all faster ways are measured by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from kuleshov.frames.clock import BACK, FrameTimes, in_seconds
from kuleshov.frames.container import Unshowable, packets


def on_screen(container: Any, stream: VideoStream) -> Iterator[tuple[float, float, VideoFrame]]:
    """(appears, disappears, frame) of each frame, in seconds: each stays until the next one.

    Packets that cannot be decoded are passed over; what the decoder gives on both sides of them
    is kept. A frame whose time comes again, or is late (it steps back by up to `BACK`, as where
    recordings overlap), takes the place of the one before, which may be on screen for no time.

    Raises:
        Unshowable: which frame is on screen when is not told: the clock steps back by more, or
            there is neither a time nor a frame rate.
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
    """(presentation time, frame) as the decoder gives them, which is the order they belong in."""
    times = FrameTimes(container, stream)
    last: float | None = None
    for packet in packets(container, stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue  # a damaged packet; the decoder goes on with the next one
        for frame in frames:
            ticks = times.of(frame, is_last=not packet.size)
            if ticks is None or stream.time_base is None:
                raise Unshowable("holds no times, and no frame rate to make them from")
            (time,) = in_seconds([ticks], stream.time_base)
            if last is not None and time < last - float(BACK):
                raise Unshowable(
                    f"its clock jumps back from {last:.3f} s to {time:.3f} s, so that it does not "
                    "tell when a frame is on screen; encode it again"
                )
            last = time
            yield time, frame
