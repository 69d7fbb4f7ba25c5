"""What a file really shows. Headers are not believed: they claim frames that a cut file has not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple

import av
from av.video.frame import VideoFrame

from kuleshov.frames.clock import in_seconds, is_timeless
from kuleshov.frames.container import Undecodable, opened, packets
from kuleshov.frames.listing import Packet, list_packets
from kuleshov.frames.scale import caveats, display_size
from kuleshov.frames.selective import gives
from kuleshov.frames.sequential import last_duration, on_screen
from kuleshov.locations import Location


class StreamInfo(NamedTuple):
    """What a file shows; times in seconds, sizes in display pixels, see `Video`."""

    start: float
    end: float
    num_frames: int
    width: int
    height: int
    codec: str
    caveats: tuple[str, ...] = ()


def scan(path: Location) -> StreamInfo:
    """What a file shows, from its packets and its first frame, or by decoding all of it.

    Raises:
        UnreadableVideoError: no frame can be decoded; the message says why.
    """
    return scan_packets(path) or scan_frames(path)


def scan_packets(path: Location) -> StreamInfo | None:
    """`scan` without decoding more than the first frame and the last group of pictures.

    None where packets do not tell. An end that does not decode is of that kind: the packets are
    there, and nothing of them would be shown.
    """
    with opened(path) as (container, stream):
        demuxed = packets(container, stream)
        head = next(demuxed, None)
        if head is None:
            return None
        listed = list_packets(chain([head], demuxed), stream)
        if listed is None or stream.time_base is None:
            return None
        frame = _first_of(head, listed) or _first(path)
        # The two fields of an interlaced frame may be two packets.
        if frame is None or frame.pts is None or frame.interlaced_frame:
            return None
        # A decoder drops what comes before the first key frame.
        shown = sorted(p for p in listed if p.is_shown and p.pts >= frame.pts)
        if not shown or not gives(path, listed, shown[-1].pts):
            return None
        start, last, duration = in_seconds(
            [shown[0].pts, shown[-1].pts, shown[-1].duration], stream.time_base
        )
        duration = last_duration(duration, start, last, len(shown), stream)
        codec = stream.codec_context.codec.canonical_name
        size = display_size(frame, stream)
        return StreamInfo(start, last + duration, len(shown), *size, codec, caveats(frame))


def _first_of(head: Any, listed: Sequence[Packet]) -> VideoFrame | None:
    """The first frame from the first packet alone, where it is a key frame and shown first.

    A decoder that is told that nothing follows gives it at once, and not after as many packets
    as it may have to put in order. Damage is left to those who see what follows.
    """
    if not listed[0].is_key or listed[0].pts != head.pts or head.pts != min(listed).pts:
        return None
    decoder = head.stream.codec_context
    with suppress(av.FFmpegError):
        frames: list[VideoFrame] = [*decoder.decode(head), *decoder.decode(None)]
        for frame in frames:
            if frame.pts == head.pts and not frame.is_corrupt:
                return frame
    return None


def _first(path: Location) -> VideoFrame | None:
    """The first frame that a decoder gives."""
    with opened(path) as (container, stream):
        for packet in packets(container, stream):
            with suppress(av.FFmpegError):
                frames: list[VideoFrame] = packet.decode()
                if frames:
                    return frames[0]
    return None


def scan_frames(path: Location) -> StreamInfo:
    with opened(path) as (container, stream):
        start, end, num_frames = math.nan, math.nan, 0
        found: set[str] = {"timeless"} if is_timeless(container) else set()
        for appears, disappears, frame in on_screen(container, stream):
            if not num_frames:
                start, size = appears, display_size(frame, stream)
            end = disappears
            num_frames += 1
            found.update(caveats(frame))
        if not num_frames:
            raise Undecodable("no frame of the video stream can be decoded")
        codec = stream.codec_context.codec.canonical_name
        return StreamInfo(start, end, num_frames, *size, codec, tuple(sorted(found)))
