"""Damage to the bytes of a file: pure functions of the bytes and a generator.

Most of a video is pictures, and most of what can go wrong is in the little that is not, so half
of all places are near the ends of the file, where containers keep their tables, and two
kinds of damage aim at the boxes of MP4 and MOV files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

Mutation = Callable[[bytes, np.random.Generator], bytes]

_NEAR = 4096
"""Bytes at either end of a file that count as near it."""
_NESTING = frozenset(
    [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"mvex", b"moof", b"traf"]
)
"""Boxes that hold nothing but boxes."""


class Box(NamedTuple):
    """A box of an MP4 file: a size of four bytes, a type of four, and its payload."""

    kind: bytes
    start: int
    stop: int


def boxes(data: bytes, start: int = 0, stop: int | None = None) -> Iterator[Box]:
    """The boxes of an MP4 or MOV file, those inside of others too; of other files none."""
    stop = len(data) if stop is None else stop
    while stop - start >= 8:
        size, kind = int.from_bytes(data[start : start + 4]), data[start + 4 : start + 8]
        if size < 8 or start + size > stop or not kind.isalnum():
            return
        yield Box(kind, start, start + size)
        if kind in _NESTING:
            yield from boxes(data, start + 8, start + size)
        start += size


def flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    """1 to 64 single bits."""
    result = bytearray(data)
    for _ in range(int(2 ** rng.uniform(0, 6))):
        result[_place(len(data), rng)] ^= 1 << rng.integers(8)
    return bytes(result)


def truncate(data: bytes, rng: np.random.Generator) -> bytes:
    """The end is missing."""
    return data[: _place(len(data), rng)]


def zero(data: bytes, rng: np.random.Generator) -> bytes:
    """A range is zeros, as a disk leaves it that lost a block."""
    start, stop = _range(len(data), rng)
    return data[:start] + bytes(stop - start) + data[stop:]


def overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    """A range is noise."""
    start, stop = _range(len(data), rng)
    return data[:start] + rng.bytes(stop - start) + data[stop:]


def remove(data: bytes, rng: np.random.Generator) -> bytes:
    """A range is missing, and all that follows is elsewhere."""
    start, stop = _range(len(data), rng)
    return data[:start] + data[stop:]


def duplicate(data: bytes, rng: np.random.Generator) -> bytes:
    """A range is there twice."""
    start, stop = _range(len(data), rng)
    return data[:stop] + data[start:]


def insert(data: bytes, rng: np.random.Generator) -> bytes:
    """A range of the file is put in somewhere else."""
    start, stop = _range(len(data), rng)
    place = _place(len(data), rng)
    return data[:place] + data[start:stop] + data[place:]


def swap_chunks(data: bytes, rng: np.random.Generator) -> bytes:
    """Two neighbouring ranges change places."""
    start, middle, stop = sorted(_place(len(data) + 1, rng) for _ in range(3))
    return data[:start] + data[middle:stop] + data[start:middle] + data[stop:]


def swap_boxes(data: bytes, rng: np.random.Generator) -> bytes:
    """Two boxes change places; in files without boxes, two ranges."""
    found = list(boxes(data))
    first = found[rng.integers(len(found))] if found else None
    apart = [b for b in found if first and (b.stop <= first.start or first.stop <= b.start)]
    if first is None or not apart:
        return swap_chunks(data, rng)
    first, second = sorted([first, apart[rng.integers(len(apart))]], key=lambda box: box.start)
    return b"".join(
        [
            data[: first.start],
            data[second.start : second.stop],
            data[first.stop : second.start],
            data[first.start : first.stop],
            data[second.stop :],
        ]
    )


def spoil_box(data: bytes, rng: np.random.Generator) -> bytes:
    """A number in a box, or its size, is replaced by one that a parser may trip over."""
    found = [box for box in boxes(data) if box.kind != b"mdat" and box.kind not in _NESTING]
    if not found:
        return overwrite(data, rng)
    box = found[rng.integers(len(found))]
    words = (box.stop - box.start) // 4
    place = box.start + 4 * int(rng.integers(words))
    value = _TRAPS[rng.integers(len(_TRAPS))] if rng.integers(2) else rng.bytes(4)
    return data[:place] + value + data[place + 4 :]


_TRAPS = [n.to_bytes(4) for n in (0, 1, 7, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)]
"""Nothing, too little, and the last numbers before a sign or a carry."""

MUTATIONS: dict[str, Mutation] = {
    "duplicate": duplicate,
    "flip_bits": flip_bits,
    "insert": insert,
    "overwrite": overwrite,
    "remove": remove,
    "spoil_box": spoil_box,
    "swap_boxes": swap_boxes,
    "swap_chunks": swap_chunks,
    "truncate": truncate,
    "zero": zero,
}


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """One or two mutations, one after the other."""
    names = sorted(MUTATIONS)
    for _ in range(rng.integers(1, 3)):
        if not data:
            break
        data = MUTATIONS[names[rng.integers(len(names))]](data, rng)
    return data


def _place(size: int, rng: np.random.Generator) -> int:
    """An index below `size`, half of them near the beginning or the end."""
    near = min(_NEAR, size)
    where = rng.integers(4)
    if where == 0:
        return int(rng.integers(near))
    if where == 1:
        return size - 1 - int(rng.integers(near))
    return int(rng.integers(size))


def _range(size: int, rng: np.random.Generator) -> tuple[int, int]:
    """(start, stop) of a range; short ones are as frequent as long ones."""
    start = _place(size, rng)
    longest = max(1, size // 4)
    return start, min(size, start + max(1, int(longest ** rng.uniform())))
