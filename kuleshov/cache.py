"""Arrays that were costly to compute, kept on disk under a key and within a size.

A key names all that decides the array, versions included, so an array is never out of date; what
was used longest ago goes first. Several processes may share a folder: a file is whole or not
there, and one that another process removed is computed again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kuleshov.errors import UsageError, WriteError
from kuleshov.files import is_temporary, replacing
from kuleshov.randomness import digest

Array = npt.NDArray[Any]

_LOOK_EVERY = 64
"""Arrays written between two looks at how much there is."""
_SUM = 16
"""Bytes of the checksum behind each array."""
_STOPPED = 3600.0
"""Seconds after which a file that is not whole is one of a writer that was killed."""


@final
class Cache:
    """Arrays on disk.

    Args:
        folder: where they are kept.
        max_bytes: how much is kept; it may be exceeded by what `_LOOK_EVERY` arrays take.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self._written = 0

    def get(self, key: tuple[str | int, ...], compute: Callable[[], Array]) -> Array:
        """The array of a key, computed if it is not there, and the same to the last bit."""
        path = self.folder / f"{digest(*key):032x}.npy"
        try:
            array = _checked(path.read_bytes(), path.name)
            os.utime(path)
            return array
        except (OSError, ValueError, EOFError):
            array = compute()
        try:
            with replacing(path) as file:
                written = BytesIO()
                np.save(written, array, allow_pickle=False)
                file.write(written.getvalue() + _sum(written.getbuffer(), path.name))
        except WriteError:
            return array  # a full disk costs time and not the work
        self._written += 1
        if self._written % _LOOK_EVERY == 0:
            self.trim()
        return array

    def trim(self) -> None:
        """Remove what was used longest ago until the rest is within `max_bytes`."""
        found = []
        for path in self.folder.glob("*.npy"):
            try:
                state = path.stat()
            except OSError:
                continue  # another process was faster
            found.append((state.st_mtime_ns, state.st_size - _SUM, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
        for path in self.folder.glob(".*.tmp"):
            with suppress(OSError):
                if is_temporary(path) and time.time() - path.stat().st_mtime > _STOPPED:
                    path.unlink()


def _sum(data: bytes | memoryview, name: str) -> bytes:
    """Of an array and its place: one that was copied to that of another is not taken for it."""
    state = blake2b(data, digest_size=_SUM)
    state.update(name.encode())
    return state.digest()


def _checked(data: bytes, name: str) -> Array:
    """The array of a file.

    Raises:
        ValueError: it is another one than was written.
    """
    whole, found = data[:-_SUM], data[-_SUM:]
    if _sum(whole, name) != found:
        raise ValueError("not what was written")
    array: Array = np.load(BytesIO(whole), allow_pickle=False)
    return array


def default() -> Cache:
    """The cache of this user.

    `KULESHOV_CACHE` names its folder (else `kuleshov` in the user's cache folder) and
    `KULESHOV_CACHE_MB` its size in MB (else 2048).

    Raises:
        UsageError: a size that is no number.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = os.environ.get("KULESHOV_CACHE") or Path(home) / "kuleshov"
    size = os.environ.get("KULESHOV_CACHE_MB", "2048")
    if not size.isdecimal():
        raise UsageError(f"KULESHOV_CACHE_MB is {size!r}; allowed: a whole number of megabytes")
    return Cache(Path(folder), int(size) << 20)
