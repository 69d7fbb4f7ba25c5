"""What makes two files the same: the content of one, and whether any of many has changed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from kuleshov.locations import Location, facts

_MIB = 1 << 20


def content_id(path: Location) -> str:
    """Hash of the content: BLAKE2b over size and the first, middle and last MiB, 32 hex digits.

    Two large files that differ only elsewhere collide; videos that are cut or re-encoded do not.

    Raises:
        OSError: it cannot be read, or is no file: a pipe could be waited for without end.
    """
    found = facts(path)
    if not found.is_file:
        raise OSError("is not a file")
    with path.open("rb") as file:
        return content_id_of(file, found.size)


def content_id_of(file: Any, size: int) -> str:
    """`content_id` of something that can be sought and read.

    Args:
        file: with `seek` and `read`, such as an open file or a `pyarrow.BufferReader`.
        size: its length in bytes.
    """
    state = blake2b(size.to_bytes(8, "little"), digest_size=16)
    for offset in (0, max(0, (size - _MIB) // 2), max(0, size - _MIB)):
        file.seek(offset)
        state.update(file.read(_MIB))
    return state.hexdigest()


def fingerprint(root: Location, paths: Iterable[str]) -> str:
    """A hash of the paths, sizes and times of change: what is the same when nothing was touched."""
    state = blake2b(digest_size=16)
    for path in paths:
        try:
            found = facts(root / path)
            state.update(os.fsencode(f"{path}\0{found.size}\0{found.changed}\0"))
        except OSError:
            state.update(os.fsencode(f"{path}\0"))
    return state.hexdigest()
