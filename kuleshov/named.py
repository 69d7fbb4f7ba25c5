"""Which folders and addresses of videos the user of this machine has named on a command line.

A set may come from anyone, and what its `config.yaml` says of its videos is opened by whoever uses
the set. So it may name a folder inside of itself; any other one, and any address, is opened only if
the command line named it: as VIDEOS or `--root` when the set was made, or as `--videos`. What was
named once is remembered, a line each, where later commands of the same user find it:

    ~/.local/state/kuleshov/videos     (or XDG_STATE_HOME)
    KULESHOV_CACHE/videos              too, where that is set, for a home that does not last
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kuleshov.errors import UsageError, WriteError
from kuleshov.files import append_lines
from kuleshov.locations import Location, Remote, is_folder, location

_given: list[Location] = []
_here: set[str] = set()
"""Named in this process, which holds where nothing can be written too."""


@contextmanager
def given(videos: str | None) -> Iterator[None]:
    """In which sets read their videos from where `--videos` says, and not from where they say.

    Args:
        videos: folder or address; None for where each set says.

    Raises:
        UsageError: there is no such folder.
    """
    if videos is None:
        yield
        return
    root = location(videos)
    if isinstance(root, Path) and not is_folder(root):
        raise UsageError(f"--videos is {videos}, which is no folder; give the folder of the videos")
    remember(root)
    _given.append(root)
    try:
        yield
    finally:
        _given.pop()


def instead() -> Location | None:
    """What `--videos` says; None without it."""
    return _given[-1] if _given else None


def remember(root: Location) -> None:
    """Take note of a folder or address that the command line named. Where that cannot be written,
    later commands ask for it.
    """
    line = _line(root)
    _here.add(line)
    for path in _files():
        if line not in _lines(path):
            with suppress(WriteError):
                append_lines(path, f"{line}\n")


def was_named(root: Location) -> bool:
    """Whether a command line of this user named a folder or address, now or before."""
    wanted = {_line(root), str(root)}
    return not wanted.isdisjoint(_here) or any(wanted & _lines(path) for path in _files())


def _line(root: Location) -> str:
    return str(root if isinstance(root, Remote) else root.resolve())


def _lines(path: Path) -> set[str]:
    try:
        return {*os.fsdecode(path.read_bytes()).split("\n")}
    except OSError:
        return set()


def _files() -> list[Path]:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folders = [Path(state) / "kuleshov"]
    if cache := os.environ.get("KULESHOV_CACHE"):
        folders.append(Path(cache))
    return [folder / "videos" for folder in folders]
