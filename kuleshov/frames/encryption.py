"""Whether a file that shows nothing is encrypted, from marks in its bytes.

FFmpeg tells of some kinds of encryption (`container`); of others it only fails. What is looked for
then, at both ends of a file where containers keep their tables:

    MP4, MOV              a sample entry `encv` (ISO/IEC 23001-7) or `drmi` (FairPlay)
    transport stream      scrambled packets (ISO/IEC 13818-1, transport_scrambling_control)
    program stream, VOB   scrambled packets of video (PES_scrambling_control)
"""

from __future__ import annotations

import re

from kuleshov.locations import Location, facts

_NEAR = 1 << 20
"""Bytes at either end of the file that are looked at."""
_MANY = 0.3
"""Share of scrambled packets; DVDs scramble about half of them."""


def looks_encrypted(path: Location) -> bool:
    """Whether it bears marks of encryption; False where it cannot be read."""
    try:
        size = facts(path).size
        with path.open("rb") as file:
            head = file.read(_NEAR)
            file.seek(max(0, size - _NEAR))
            tail = file.read(_NEAR)
    except OSError:
        return False
    if b"ftyp" in head[:64] or b"moov" in head[:64]:
        return any(mark in part for part in (head, tail) for mark in (b"encv", b"drmi"))
    return _scrambled(_transport_packets(head)) or _scrambled(_program_packets(head))


def _scrambled(controls: list[int]) -> bool:
    return bool(controls) and sum(map(bool, controls)) >= _MANY * len(controls)


def _transport_packets(data: bytes) -> list[int]:
    """What packets say of scrambling; none where these are not the packets of such a stream."""
    for length, start in ((188, 0), (192, 4)):  # Blu-ray puts a time before each packet
        places = range(start, len(data) - 188 + 1, length)
        if len(places) > 8 and all(data[place] == 0x47 for place in places):
            return [
                data[place + 3] >> 6
                for place in places
                if data[place + 3] & 0x10 and int.from_bytes(data[place + 1 : place + 3]) & 0x1FFF
            ]
    return []


def _program_packets(data: bytes) -> list[int]:
    """What packets of video say of scrambling."""
    if data[:4] != b"\0\0\1\xba":
        return []
    # A start code, the length of the packet, and a byte that starts with the bits 10.
    heads = re.finditer(rb"\x00\x00\x01[\xe0-\xef]..([\x80-\xbf])", data, re.DOTALL)
    return [head[1][0] >> 4 & 3 for head in heads]
