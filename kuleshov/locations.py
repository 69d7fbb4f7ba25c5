"""Where files lie: in a folder of this machine, or at an address that fsspec reads.

    "videos"                 Path      plain pathlib; fsspec is not imported
    "s3://bucket/videos"     Remote    "hf://datasets/...", "file:///...", all that fsspec knows

Both have `/`, `name` and `open("rb")`. What else is needed of either are functions here.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, NamedTuple, final
from urllib.parse import unquote

from kuleshov.errors import KuleshovError, UsageError

_BUFFER = 1 << 16
_BLOCK = 4 << 20
_BLOCKS = 16
"""Of a remote file, so many blocks of so many bytes are kept: its index stands at one end and its
frames elsewhere, and reading goes to and fro."""


@final
@dataclass(frozen=True)
class Remote:
    """A file or folder behind an address. It is text alone, so that any process can be given it.

    Args:
        root: the address, such as "s3://bucket/videos".
        path: what lies below it, with forward slashes; "" for the root itself.
    """

    root: str
    path: str = ""

    @property
    def name(self) -> str:
        return PurePosixPath(self.path or self.root).name

    def __truediv__(self, path: str) -> Remote:
        return Remote(self.root, "/".join(part for part in (self.path, path) if part))

    def __str__(self) -> str:
        return f"{self.root.rstrip('/')}/{self.path}" if self.path else self.root

    def open(self, mode: Literal["rb"], failures: list[OSError] | None = None) -> BinaryIO:
        """The file, to read from.

        Args:
            mode: what Path calls reading bytes.
            failures: every OSError is also put here, for a reader that may hide it.

        Raises:
            OSError: it cannot be read, whatever the reason; also while it is read.
        """
        system, full = self.in_system()
        with as_os_errors(failures):
            file = system.open(
                full,
                mode,
                block_size=_BLOCK,
                cache_type="blockcache",
                cache_options={"maxblocks": _BLOCKS},
            )
        return io.BufferedReader(_Reading(file, failures), _BUFFER)

    def in_system(self) -> tuple[Any, str]:
        """(fsspec's file system, the path in it).

        Raises:
            UsageError: a package for this kind of address is missing, or no such kind is known.
        """
        try:
            import fsspec
        except ImportError as error:
            raise UsageError(
                f"{self.root} needs fsspec, which is not installed; pip install 'kuleshov[remote]'"
            ) from error
        try:
            system, base = fsspec.core.url_to_fs(self.root)
        except ImportError as error:
            raise UsageError(
                f"{self.root} needs a package that is not installed: {error}"
            ) from error
        except ValueError as error:
            known = " ".join(sorted(fsspec.available_protocols()))
            raise UsageError(
                f"{self.root} cannot be used: {error}; kinds of address that fsspec knows: {known}"
            ) from error
        base = base.rstrip("/")
        return system, f"{base}/{self.path}" if self.path else base or "/"


Location = Path | Remote


def location(address: str | Path | Remote) -> Location:
    """What an address names: a Remote where it has "://" in it.

    >>> location("s3://bucket/videos/"), location("videos").name
    (Remote(root='s3://bucket/videos', path=''), 'videos')
    """
    if isinstance(address, str) and "://" in address:
        protocol, rest = address.split("://", 1)
        return Remote(f"{protocol}://{rest.rstrip('/') or rest[:1]}")
    return address if isinstance(address, Remote) else Path(address)


def is_folder(where: Location) -> bool:
    if isinstance(where, Path):
        return where.is_dir()
    system, full = where.in_system()
    with as_os_errors():
        return bool(system.isdir(full))


def exists(where: Location) -> bool:
    """Whether there is a file or folder of this name; False also where it cannot be asked about."""
    if isinstance(where, Path):
        return os.path.exists(where)
    system, full = where.in_system()
    try:
        with as_os_errors():
            return bool(system.exists(full))
    except OSError:
        return False


class Facts(NamedTuple):
    """What is known of a file without reading it.

    Args:
        size: in bytes.
        changed: a time of change, a version or a checksum, whatever there is; "" if nothing.
        is_file: neither a folder nor a device.
    """

    size: int
    changed: str
    is_file: bool


_CHANGED = (
    *("ETag", "etag", "sha256", "blob_id", "checksum", "crc32c"),
    *("mtime", "LastModified", "last_modified", "updated", "modified"),
)
"""What file systems call that which differs when a file has changed, the surest first."""


def facts(where: Location) -> Facts:
    """What is known of a file.

    Raises:
        OSError: it is not there, or cannot be asked about.
    """
    if isinstance(where, Path):
        found = where.stat()
        return Facts(found.st_size, str(found.st_mtime_ns), stat.S_ISREG(found.st_mode))
    system, full = where.in_system()
    with as_os_errors():
        info = system.info(full)
    if info.get("size") is None:
        raise OSError("the server does not say how large it is")
    changed = next((str(info[key]) for key in _CHANGED if info.get(key)), "")
    return Facts(int(info["size"]), changed, info["type"] == "file")


class Entry(NamedTuple):
    """Something in a folder; a link to a folder is both."""

    name: str
    is_folder: bool
    is_link: bool


def entries(folder: Location) -> list[Entry]:
    """What lies in a folder itself.

    Raises:
        OSError: it cannot be listed.
    """
    if isinstance(folder, Path):
        with os.scandir(folder) as found:
            return [Entry(e.name, _leads_to_folder(e), e.is_symlink()) for e in found]
    system, full = folder.in_system()
    with as_os_errors():
        infos = system.ls(full, detail=True)
    start = f"{full.rstrip('/')}/"
    listed = []
    for info in infos:
        name = info["name"].rstrip("/").removeprefix(start)
        # Some list the folder itself, and a web page has links to elsewhere.
        if name and "/" not in name and info["name"].startswith(start):
            link = bool(info.get("islink"))
            is_folder = os.path.isdir(info["name"]) if link else info["type"] == "directory"
            listed.append(Entry(name, is_folder, link))
    return listed


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def within(root: Location, path: str) -> str | None:
    """A path as one relative to `root`, or None where it leads out of it.

    Links are followed, where there are any. A path may be relative or start with the root itself.

    Args:
        root: the folder.
        path: text from anywhere; it is not trusted.
    """
    try:
        os.fsencode(path)
        if "\0" in path:
            return None
        if isinstance(root, Remote):
            return _within_remote(root, path)
        return None if "://" in path else _within_folder(root, path)
    except (OSError, UnicodeError):
        return None


def _within_folder(root: Path, path: str) -> str | None:
    real = Path(os.path.realpath(root / path))
    real_root = Path(os.path.realpath(root))
    if not real.is_relative_to(real_root):
        return None
    plain = PurePosixPath(path)
    if plain.is_absolute() and plain.is_relative_to(root.absolute()):
        plain = plain.relative_to(root.absolute())
    # The name that was given is kept, also that of a link, unless it takes detours.
    if plain.is_absolute() or ".." in plain.parts:
        plain = PurePosixPath(real.relative_to(real_root))
    return plain.as_posix()


def _within_remote(root: Remote, path: str) -> str | None:
    system, base = root.in_system()
    base = base.rstrip("/")
    protocols = [system.protocol] if isinstance(system.protocol, str) else list(system.protocol)
    if "://" in path:
        if path.split("://", 1)[0] not in protocols:
            return None
        path = system._strip_protocol(path)
    if path.startswith("/") or path.startswith(f"{base}/"):
        if not path.startswith(f"{base}/"):
            return None
        path = path.removeprefix(f"{base}/")
    # A server may take %2e or a backslash for what they stand for.
    for form in (path, unquote(path).replace("\\", "/")):
        if form.startswith("/") or _climbs(form):
            return None
    plain = os.path.normpath(path)
    if {"file", "local"} & set(protocols):  # the one kind that has links
        return _within_folder(Path(base or "/"), plain)
    return plain


def _climbs(path: str) -> bool:
    return os.path.normpath(path).split("/")[0] == ".."


def outside(root: Location) -> str:
    """The reason of a Skip for which `within` gave None."""
    return f"lies outside of {root}; give --root with a folder that holds it"


def reason(error: OSError) -> str:
    return str(error.strerror or error or type(error).__name__)


@contextmanager
def as_os_errors(failures: list[OSError] | None = None) -> Iterator[None]:
    """File systems raise what their libraries raise; here it is always an OSError that says why.

    Args:
        failures: the error is also put here.
    """
    try:
        with _translating():
            yield
    except OSError as error:
        if failures is not None:
            failures.append(error)
        raise


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except (KuleshovError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
    except PermissionError as error:
        if error.strerror:
            raise
        raise PermissionError(errno.EACCES, str(error) or os.strerror(errno.EACCES)) from error
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


@final
class _Reading(io.RawIOBase):
    """A file of fsspec whose errors are OSErrors."""

    def __init__(self, file: Any, failures: list[OSError] | None) -> None:
        self._file, self._failures = file, failures

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with as_os_errors(self._failures):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        with as_os_errors(self._failures):
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
