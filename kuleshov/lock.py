"""One writer at a time in a folder.

    FOLDER/.kuleshov.lock   {"host": ..., "process": ..., "command": ..., "since": ...}: who writes

The lock is a file that only one can make. Its owner renews it as a lease. It is taken over, by a
rename, where its process is gone; and where that ran on another host, which cannot be asked, when
it was not renewed for `LEASE` seconds by the clock of the disk. So a kill locks nobody out, and two
hosts keep apart on a shared folder.
"""

from __future__ import annotations

import _thread
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, final

from kuleshov.errors import UsageError, WriteError
from kuleshov.files import is_temporary, temporary

LOCK = ".kuleshov.lock"
LEASE = 60.0
"""Seconds after which an owner on another host that shows no sign of life is taken for dead."""
RENEW = 10.0
"""Seconds from one sign of life to the next."""
_TORN = 5.0
"""Seconds after which a lock that does not say whose it is was left so by a kill."""

_held: dict[Path, _Lock] = {}


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Be the only writer in a folder. Within one thread, a folder may be locked again.

    Args:
        folder: it is there.

    Yields:
        Whether a writer before was stopped in its middle, and may have left temporary files.

    Raises:
        UsageError: another process, or thread, writes there; the message says which.
        WriteError: the folder cannot be written; or, at the end, the lock was lost to another.
    """
    place = folder.resolve()
    if (outer := _held.get(place)) is not None and outer.thread == threading.get_ident():
        yield False
        return
    lock = _Lock(place)
    taken_over = lock.acquire(folder)
    _held[place] = lock
    try:
        yield taken_over
    except KeyboardInterrupt:
        if lock.lost:
            raise WriteError(lock.told_lost(folder)) from None
        raise
    finally:
        del _held[place]
        lock.release()
    if lock.lost:
        raise WriteError(lock.told_lost(folder))


def machine() -> str:
    """Where processes can see each other by their numbers: host, its start, and container."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


@final
class _Lock:
    """The lock of one folder, of this process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / LOCK
        self.thread, self.lost = threading.get_ident(), False
        self.owner: dict[str, Any] = {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]]),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "born": _born(os.getpid()),
            "token": token_hex(6),
        }
        self._done = threading.Event()

    def acquire(self, folder: Path) -> bool:
        """Take the lock; returns whether a dead owner left something behind."""
        behind = False
        try:
            while not self._make():
                found = _read(self.path)
                if found is not None:
                    if self._alive(found):
                        raise UsageError(_busy(folder, found))
                    self._put_aside(found)
                    behind = True
            # What was put aside by one that was killed right then.
            behind |= any(self.folder.glob(f"{LOCK}.*.tmp"))
        except OSError as error:
            if isinstance(error, WriteError):
                raise
            raise WriteError(f"{folder} cannot be written: {error.strerror or error}") from error
        threading.Thread(target=self._renew, daemon=True).start()
        return behind

    def release(self) -> None:
        self._done.set()
        found = _read(self.path)
        if found is not None and found.get("token") == self.owner["token"]:
            self.path.unlink(missing_ok=True)

    def told_lost(self, folder: Path) -> str:
        return (
            f"{folder} was taken over by another process, as this one showed no sign of life for "
            f"{LEASE:.0f} s; see what is there now, and start again if nothing else writes there"
        )

    def _make(self) -> bool:
        try:
            file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(file, "wb") as writing:
            writing.write(json.dumps(self.owner).encode())
        return True

    def _alive(self, owner: dict[str, Any]) -> bool:
        if owner.get("machine") == self.owner["machine"]:
            born = _born(int(owner["process"]))
            return born is not None and born == owner.get("born")
        return self._age() < (LEASE if owner else _TORN)

    def _age(self) -> float:
        """Seconds since the lock was renewed, by the clock that the folder's files have."""
        now = temporary(self.path)
        now.touch()
        try:
            return now.stat().st_mtime - self.path.stat().st_mtime
        except FileNotFoundError:
            return 0.0
        finally:
            now.unlink(missing_ok=True)

    def _put_aside(self, dead: dict[str, Any]) -> None:
        aside = temporary(self.path)
        with suppress(FileNotFoundError):
            os.rename(self.path, aside)
            if _read(aside) != dead:  # another one was faster, and this is its lock
                with suppress(OSError):
                    os.link(aside, self.path)
            aside.unlink(missing_ok=True)

    def _renew(self) -> None:
        while not self._done.wait(RENEW):
            found = _read(self.path)
            if found is None or found.get("token") != self.owner["token"]:
                if not self._done.is_set():
                    self.lost = True
                    _thread.interrupt_main()
                return
            with suppress(OSError):
                os.utime(self.path)


def _read(path: Path) -> dict[str, Any] | None:
    """Who owns a lock: {} where that is not said, None without a lock."""
    try:
        if path.is_fifo():  # would be waited for
            return {}
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    whole = isinstance(found, dict) and type(found.get("process")) is int
    return found if whole else {}


def _born(process: int) -> str | None:
    """When a process began, in whatever unit, so that its number is not taken for another's; None
    where there is none.
    """
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except OSError:
        pass
    if Path("/proc/self/stat").exists():
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return ""


def _busy(folder: Path, owner: dict[str, Any]) -> str:
    if not owner:
        return f"another process begins to write in {folder}; wait for it, or give another folder"
    return (
        f"{folder} is being written by `{owner.get('command')}`, process {owner['process']} on "
        f"{owner.get('host')}, since {owner.get('since')}; wait for it to end, or give another "
        f"folder. If it is gone, the folder is free {LEASE:.0f} s after its last sign of life"
    )


def sweep(folder: Path, mark: str) -> None:
    """Remove the temporary files of writers that were stopped.

    Args:
        folder: which is locked.
        mark: a file by which folders below are known that have locks of their own.
    """
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not (Path(place) / name / mark).exists()]
        for path in (Path(place) / name for name in names):
            if is_temporary(path):
                path.unlink(missing_ok=True)
