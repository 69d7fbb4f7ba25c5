"""Only what the wanted frames need: the same frames as `sequential`, at a fraction of its cost.

The packets are listed first. A group of pictures starts at a key frame and can be decoded by
itself; groups without a wanted frame are passed over, the others are decoded up to their last
wanted frame. Within them H.264 marks pictures that no other refers to; those are passed over too
unless wanted.

    packets   K p b b p b b K p b b p b b K p b b
    wanted              ^                   ^
    decoded   K p     p b                 K p b

Pictures that follow a key frame and are shown before it refer to the group before, which is then
decoded as a whole. All of this is only done for the codecs of `listing`, and a file that behaves
otherwise than its packets say (a frame that does not come, comes elsewhere, is damaged or
interlaced) raises `Unproven`: then it is decoded in sequence.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise

import av
from av.video.frame import VideoFrame

from kuleshov.frames.clock import in_seconds
from kuleshov.frames.container import opened, packets
from kuleshov.frames.listing import Packet, list_packets
from kuleshov.frames.sequential import last_duration
from kuleshov.locations import Location


class Unproven(Exception):
    """The file is not one whose frames can be picked."""


def picked(
    path: Location, seconds: Sequence[float], tolerance: float
) -> Iterator[tuple[float, float, VideoFrame]]:
    """(appears, disappears, frame) of the frames on screen at the given times, in order.

    Args:
        path: the video file.
        seconds: presentation times, in any order.
        tolerance: seconds by which a time may miss the frame's own.

    Raises:
        Unproven: see above; frames that came before are right.
    """
    with opened(path) as (container, stream):
        listed = list_packets(packets(container, stream), stream)
        if listed is None or stream.time_base is None:
            raise Unproven
        time_base = stream.time_base
    shown = sorted(packet.pts for packet in listed if packet.is_shown)
    appears = in_seconds(shown, time_base)
    earliest = [time - tolerance for time in appears]
    places = sorted({bisect_right(earliest, second) - 1 for second in seconds})
    if not places or places[0] < 0:
        raise Unproven
    wanted = {shown[place]: place for place in places}
    waiting = [shown[place] for place in reversed(places)]
    last = None
    for frame in _decode(path, listed, set(wanted)):
        # Others may refer to it, and what a damaged one shows depends on those before it.
        if frame.pts is None or frame.is_corrupt or frame.interlaced_frame:
            raise Unproven
        if last is not None and frame.pts <= last:
            raise Unproven
        last = frame.pts
        if frame.pts not in wanted:
            continue
        if frame.pts != waiting.pop():
            raise Unproven
        place = wanted[frame.pts]
        if place + 1 < len(appears):
            disappears = appears[place + 1]
        else:
            (duration,) = in_seconds([frame.duration or 0], time_base)
            disappears = appears[place] + last_duration(
                duration, appears[0], appears[place], len(appears), stream
            )
        yield appears[place], disappears, frame
    if waiting:
        raise Unproven


def gives(path: Location, listed: Sequence[Packet], pts: int) -> bool:
    """Whether a decoder gives the frame with this timestamp, however damaged what precedes it is.

    Args:
        path: the video file.
        listed: all of its packets.
        pts: of a shown one.
    """
    needed = set(runs(listed, {pts})[-1])
    with opened(path) as (container, stream):
        decoder = stream.codec_context
        decoder.options = {"skip_loop_filter": "all", "skip_idct": "all"}  # nobody looks at it
        has_unreferenced = decoder.codec.canonical_name == "h264"
        for i, packet in enumerate(packets(container, stream)):
            if packet.size and i not in needed:
                continue
            skip = has_unreferenced and packet.size and packet.pts != pts
            decoder.skip_frame = "NONREF" if skip else "DEFAULT"
            with suppress(av.FFmpegError):
                if any(frame.pts == pts for frame in decoder.decode(packet)):
                    return True
    return False


def runs(listed: Sequence[Packet], wanted: Collection[int]) -> list[list[int]]:
    """Indices of the packets to decode; before each run the decoder forgets what it saw.

    Args:
        listed: all packets in the order in which they are decoded.
        wanted: timestamps of the wanted frames.
    """
    starts = [i for i, packet in enumerate(listed) if packet.is_key or i == 0]
    groups = list(pairwise([*starts, len(listed)]))
    stops: dict[int, int] = {}  # of the groups that are needed, up to where
    leading: set[int] = set()  # those of them that need the group before
    for number, (start, stop) in enumerate(groups):
        key = listed[start].pts
        inside = [i for i in range(start, stop) if listed[i].pts in wanted and listed[i].is_shown]
        if inside:
            stops[number] = inside[-1] + 1
        if number and any(listed[i].pts < key for i in inside):
            leading.add(number)
            stops[number - 1] = start
    found: list[list[int]] = []
    for number in sorted(stops):
        start = groups[number][0]
        if number in leading:
            found[-1] += range(start, stops[number])
        else:
            key = listed[start].pts
            found.append([i for i in range(start, stops[number]) if listed[i].pts >= key])
    return found


def _decode(
    path: Location, listed: Sequence[Packet], wanted: Collection[int]
) -> Iterator[VideoFrame]:
    """The frames that the needed packets give, in order."""
    needed = {i: number for number, run in enumerate(runs(listed, wanted)) for i in run}
    last, current = max(needed), 0
    with opened(path) as (container, stream):
        decoder = stream.codec_context
        decoder.options = {"err_detect": "explode"}  # damage is an error and not concealed
        has_unreferenced = decoder.codec.canonical_name == "h264"
        try:
            for i, packet in enumerate(p for p in packets(container, stream) if p.size):
                if i > last:
                    break
                if packet.pts != listed[i].pts:
                    raise Unproven
                if i not in needed:
                    continue
                if needed[i] != current:
                    current = needed[i]
                    yield from decoder.decode(None)
                    decoder.flush_buffers()
                skip = has_unreferenced and packet.pts not in wanted
                decoder.skip_frame = "NONREF" if skip else "DEFAULT"
                yield from decoder.decode(packet)
            yield from decoder.decode(None)
        except av.FFmpegError as error:
            raise Unproven from error
