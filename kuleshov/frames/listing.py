"""When each frame of a file is on screen, from its packets alone: a tenth of the cost of decoding.

Right where every packet is one frame and carries its time, which holds for the codecs named here,
and where those times are in the order in which a decoder gives the frames:

    decoded   K0 p4 b2 b1 b3    b2, b1 and b3 are given before p4, so that the decoder holds it
    given     K0 b1 b2 b3 p4    back; it says how many frames it holds back at most

Times that count packets, as FFmpeg makes them up for AVI files and as stand in what was copied
from these, are another order. What is not proven here is no listing, and the file is decoded in
sequence. Damage that only a decoder sees stays unseen; `selective` notices it when it comes to
the frame.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from av.video.stream import VideoStream

from kuleshov.frames.bitstream import Slice, Units

CODECS = frozenset({"av1", "h264", "hevc", "vp9"})
"""Not vp8, which has packets that are never shown; not mpeg4, which may pack two frames in one."""


class Packet(NamedTuple):
    """What a listing keeps of a packet; times in the stream's time base."""

    pts: int
    duration: int
    is_key: bool
    is_shown: bool


def list_packets(packets: Iterable[Any], stream: VideoStream) -> list[Packet] | None:
    """A stream's packets in the order in which they are decoded, or None where they do not tell.

    They do not where the codec is not of `CODECS`; a time is missing, comes twice, or is not in
    the order of the frames; a frame that others refer to is missing, or a packet holds none; what
    the decoder has to know changes on the way (so that a part could not be decoded by itself), or
    how the picture is turned (which holds for what follows); or the container finds a packet
    damaged that is not the last one (where a file was cut).
    """
    decoder = stream.codec_context
    codec = decoder.codec.canonical_name
    if codec not in CODECS:
        return None
    units = Units(decoder)
    listed: list[Packet] = []
    slices: list[Slice | None] = []
    damaged = False
    for packet in packets:
        if not packet.size:
            continue  # the empty one at the end
        pts, is_key = packet.pts, packet.is_keyframe
        if pts is None or damaged or (is_key and packet.has_sidedata("new_extradata")):
            return None
        headers = units.read(packet)
        if headers.turns or headers.changes or not headers.shows:
            return None
        slices.append(headers.slice)
        damaged = packet.is_corrupt
        shown = not (packet.is_discard or damaged)
        listed.append(Packet(pts, packet.duration or 0, is_key, shown))
    times = {packet.pts for packet in listed if packet.is_shown}
    if not len(times) == sum(packet.is_shown for packet in listed) > 0:
        return None
    if codec == "h264" and not (
        _complete(slices, units.period) and _rise_where_they_may(listed, slices)
    ):
        return None
    return listed if _as_held_back(listed, decoder.reorder_depth, codec) else None


def _complete(slices: Iterable[Slice | None], period: int | None) -> bool:
    """Whether every picture of H.264 that others refer to is there: their numbers go on.

    Where one is missing, what a decoder shows for it depends on which others it was given.

    Args:
        slices: of each picture.
        period: after how many the numbers start again.
    """
    last: int | None = None
    for one in slices:
        if one is None or period is None:
            return False
        if not one.restarts and last is not None and (one.number - last) % period > 1:
            return False
        if one.is_reference:
            last = one.number
    return True


def _rise_where_they_may(listed: Sequence[Packet], slices: Sequence[Slice | None]) -> bool:
    """Whether times step back in every group of pictures of which some refer to later ones."""
    starts = [i for i, packet in enumerate(listed) if packet.is_key or i == 0]
    for start, stop in pairwise([*starts, len(listed)]):
        refer = any(one.bidirectional for one in slices[start:stop] if one)
        group = listed[start:stop]
        if refer and all(before.pts < after.pts for before, after in pairwise(group)):
            return False
    return True


def _as_held_back(listed: Sequence[Packet], depth: int, codec: str) -> bool:
    """Whether no frame comes before more than `depth` frames that are decoded before it."""
    given: list[int] = []  # sorted
    deepest = 0
    for pts, *_ in listed:
        if not given or pts >= given[-1]:
            given.append(pts)
            continue
        place = bisect_right(given, pts)
        deepest = max(deepest, len(given) - place)
        given.insert(place, pts)
    # HEVC always says how many frames it holds back; none are where times only count packets.
    only_counts = codec == "hevc" and depth > 0 and deepest == 0 and len(listed) > 1
    return deepest <= depth and not only_counts
