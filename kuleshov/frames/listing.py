"""When each frame of a file is on screen, from its packets alone: a tenth of the cost of decoding.

Right where every packet is one frame and carries its time, which holds for the codecs named here.
Damage that only a decoder sees stays unseen; `selective` notices it when it comes to the frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from av.video.stream import VideoStream

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

    They do not where the codec is not of `CODECS`, a time is missing or comes twice, or the
    container finds a packet damaged that is not the last one (where a file was cut).
    """
    if stream.codec_context.codec.canonical_name not in CODECS:
        return None
    listed: list[Packet] = []
    damaged = False
    for packet in packets:
        if not packet.size:
            continue  # the empty one at the end
        if packet.pts is None or damaged:
            return None
        damaged = packet.is_corrupt
        shown = not (packet.is_discard or damaged)
        listed.append(Packet(packet.pts, packet.duration or 0, packet.is_keyframe, shown))
    times = {packet.pts for packet in listed if packet.is_shown}
    return listed if len(times) == sum(packet.is_shown for packet in listed) > 0 else None


def seconds(times: Iterable[int], time_base: Fraction) -> list[float]:
    """Times in a time base as the nearest seconds, to the last bit as `sequential` has them."""
    return [time * time_base.numerator / time_base.denominator for time in times]
