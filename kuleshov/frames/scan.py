"""What a file really shows. Headers are not believed: they claim frames that a cut file has not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import av
from av.video.frame import VideoFrame

from kuleshov.errors import UnreadableVideoError
from kuleshov.frames.container import opened, packets
from kuleshov.frames.listing import list_packets, seconds
from kuleshov.frames.scale import display_size
from kuleshov.frames.sequential import last_duration, on_screen
from kuleshov.locations import Location


class StreamInfo(NamedTuple):
    """What a file shows; times in seconds, sizes in display pixels."""

    start: float
    end: float
    num_frames: int
    width: int
    height: int
    codec: str


def scan(path: Location) -> StreamInfo:
    """What a file shows, from its packets and its first frame, or by decoding all of it.

    Raises:
        UnreadableVideoError: no frame can be decoded; the message says why.
    """
    return scan_packets(path) or scan_frames(path)


def scan_packets(path: Location) -> StreamInfo | None:
    with opened(path) as (container, stream):
        first: list[VideoFrame] = []

        def decoding_the_first() -> Iterator[Any]:
            for packet in packets(container, stream):
                if not first:
                    with suppress(av.FFmpegError):
                        first.extend(packet.decode()[:1])
                yield packet

        listed = list_packets(decoding_the_first(), stream)
        if listed is None or not first or first[0].pts is None or stream.time_base is None:
            return None
        # A decoder drops what comes before the first key frame.
        shown = sorted(p for p in listed if p.is_shown and p.pts >= first[0].pts)
        if not shown:
            return None
        start, last, duration = seconds(
            [shown[0].pts, shown[-1].pts, shown[-1].duration], stream.time_base
        )
        duration = last_duration(duration, start, last, len(shown), stream)
        codec = stream.codec_context.codec.canonical_name
        size = display_size(first[0], stream)
        return StreamInfo(start, last + duration, len(shown), *size, codec)


def scan_frames(path: Location) -> StreamInfo:
    with opened(path) as (container, stream):
        start, end, num_frames = math.nan, math.nan, 0
        for appears, disappears, frame in on_screen(container, stream):
            if not num_frames:
                start, size = appears, display_size(frame, stream)
            end = disappears
            num_frames += 1
        if not num_frames:
            raise UnreadableVideoError(f"{path.name}: no frame of the video stream can be decoded")
        codec = stream.codec_context.codec.canonical_name
        return StreamInfo(start, end, num_frames, *size, codec)
