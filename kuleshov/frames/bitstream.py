"""What packets of H.264 and HEVC say up to their first slice, read without decoding them.

The layouts are those of ITU-T H.264 (7.3.1, 7.3.2.1.1, 7.3.2.3, 7.3.3, D.1) and H.265 (7.3.1,
7.3.2.4), in either form: units after a start code, or after their length as in MP4 and Matroska.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, final

_ORIENTATION = 47
"""The type of the message that says how a picture is to be turned and mirrored."""


class Slice(NamedTuple):
    """What the first slice of an H.264 picture says.

    Args:
        bidirectional: it may refer to pictures in both directions of time.
        restarts: nothing before it is referred to from here on.
        is_reference: others may refer to it.
        number: of the picture, modulo `Units.period`; a picture has the number after that of the
            last one that others refer to.
    """

    bidirectional: bool
    restarts: bool
    is_reference: bool
    number: int


class Headers(NamedTuple):
    """What a packet says.

    Args:
        shows: whether it has a part of a picture.
        changes: whether it has parameters that those before have not, and that later packets are
            decoded with, too.
        turns: whether it says how its picture is turned.
        slice: the first slice, of H.264 only.
    """

    shows: bool = False
    changes: bool = False
    turns: bool = False
    slice: Slice | None = None


class Syntax(NamedTuple):
    """How units of a codec are read.

    Args:
        head: bytes of a unit's header.
        slices: the types of units that hold parts of pictures.
        parameters: the types of units that hold parameters.
        message: the type of units that hold messages.
        width: where the decoder's configuration tells the width of lengths.
    """

    head: int
    slices: range
    parameters: range
    message: int
    width: int


_SYNTAX = {
    "h264": Syntax(1, range(1, 6), range(7, 9), 6, 4),
    "hevc": Syntax(2, range(32), range(32, 35), 39, 21),
}


@final
class Units:
    """The units of a stream's packets; those of other codecs say little.

    Args:
        decoder: what PyAV made for the stream.
    """

    def __init__(self, decoder: Any) -> None:
        header: bytes = decoder.extradata or b""
        self._header = header
        self._known: set[bytes] = set()
        self._syntax = _SYNTAX.get(decoder.codec.canonical_name)
        place = self._syntax.width if self._syntax else 0
        configured = header[:1] == b"\1" and len(header) > place
        # Bytes of the length before each unit; 0 where a start code stands instead.
        self._width = (header[place] & 3) + 1 if self._syntax and configured else 0
        self._planes = self._length = 0  # bits before a picture's number, and of it
        if self._syntax and self._syntax.head == 1:
            start = 8 if configured else header.find(b"\0\0\1") + 3
            self._read_numbering([header[start:]])

    @property
    def period(self) -> int | None:
        """After how many pictures of H.264 their numbers start again; None where unknown."""
        return 1 << self._length if self._length else None

    def read(self, packet: Any) -> Headers:
        """What a packet says."""
        data, syntax = bytes(packet), self._syntax
        if syntax is None:
            # Neither VP9 nor AV1 start with a zero; a disk that was never written has zeros.
            return Headers(shows=data[:1] > b"\0")
        parameters: list[bytes] = []
        shows, changes, turns, first = False, False, False, None
        for start, stop in self._units(data):
            if data[start] & 0x80:
                break  # damaged: this bit is always 0
            kind = data[start] & 31 if syntax.head == 1 else data[start] >> 1 & 63
            if kind in syntax.slices:
                shows = True
                if syntax.head == 1:
                    if not self._length:
                        self._read_numbering(parameters)
                    first = self._slice(data[start : start + 24])
                break
            if kind in syntax.parameters:
                # A start code may have a zero in front.
                parameters.append(data[start:stop].rstrip(b"\0"))
            elif kind == syntax.message:
                turns = turns or _orients(data[start + syntax.head : stop])
        if parameters:
            new = [one for one in parameters if one not in self._known and one not in self._header]
            changes = bool(new) and bool(self._known or self._header)
            self._known.update(parameters)
        return Headers(shows, changes, turns, first)

    def _units(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where each unit starts and stops; damage ends them."""
        end = len(data)
        if self._width:
            start = self._width
            while start < end:
                stop = start + int.from_bytes(data[start - self._width : start])
                if start < stop:
                    yield start, min(stop, end)
                start = stop + self._width
            return
        start = data.find(b"\0\0\1") + 3
        while 3 <= start < end:
            following = data.find(b"\0\0\1", start)
            stop = following if following >= 0 else end
            yield start, stop
            start = stop + 3

    def _slice(self, unit: bytes) -> Slice:
        bits = _Bits(unit[1:])
        bits.number()  # where the slice starts
        bidirectional = bits.number() % 5 == 1
        bits.number()  # of its parameters
        bits.take(self._planes)
        number = bits.take(self._length)
        return Slice(bidirectional, unit[0] & 31 == 5, bool(unit[0] & 0x60), number)

    def _read_numbering(self, parameters: Iterable[bytes]) -> None:
        """How pictures are numbered, from a sequence's parameters."""
        for unit in parameters:
            if len(unit) > 4 and unit[0] & 31 == 7:
                bits = _Bits(unit[4:])
                bits.number()  # of the parameters
                if unit[1] in _HIGH:
                    chroma = bits.number()
                    self._planes = 2 * bits.take(1) if chroma == 3 else 0
                    bits.number()  # bits of luma
                    bits.number()  # bits of chroma
                    bits.take(1)
                    if bits.take(1):
                        for i in range(12 if chroma == 3 else 8):
                            bits.skip_scaling(16 if i < 6 else 64)
                length = bits.number() + 4
                self._length = length if length <= 16 else 0
                return


_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""The profiles of H.264 whose parameters tell more of colours."""


class _Bits:
    """The bits of a unit from its front; zeros where it ends."""

    def __init__(self, data: bytes) -> None:
        data = data.replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(data), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            return 0
        return self._value >> self._left & ((1 << count) - 1)

    def number(self) -> int:
        """Exp-Golomb: n zeros, then n + 1 bits that are the number plus one."""
        if self._left <= 0:
            return 0
        rest = self._value & ((1 << self._left) - 1)
        zeros = self._left - rest.bit_length()
        self._left -= zeros
        return max(0, self.take(zeros + 1) - 1)

    def skip_scaling(self, count: int) -> None:
        """Pass over a list of factors, each coded as its difference to the last."""
        if not self.take(1):
            return
        last = 8
        for _ in range(count):
            coded = self.number()
            last = (last + ((coded + 1) // 2 if coded % 2 else -(coded // 2))) % 256
            if not last:
                return


def _orients(data: bytes) -> bool:
    """Whether one of the messages of a unit says how the picture is turned."""
    data = data.replace(b"\0\0\3", b"\0\0")
    place = 0
    while place < len(data) and data[place] != 0x80:
        kind, place = _sum(data, place)
        size, place = _sum(data, place)
        if kind == _ORIENTATION:
            return True
        place += size
    return False


def _sum(data: bytes, place: int) -> tuple[int, int]:
    """(a number as a sum of bytes, where it ends); bytes of 255 go on."""
    number = 0
    while place < len(data):
        number, place = number + data[place], place + 1
        if data[place - 1] != 255:
            break
    return number, place
