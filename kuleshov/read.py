"""Files become `Video | Skip`, one for each file that is named as a video.

In a folder, files of other kinds (subtitles, thumbnails, notes) are not looked at and are not
skips. A second copy of the same content is a Skip, `duplicate of <path>`: the same question twice
teaches nothing, and a copy on the other side of a split would be a leak.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from kuleshov.content import content_id, fingerprint
from kuleshov.errors import UnreadableVideoError
from kuleshov.frames import scan
from kuleshov.locations import Location, Remote, facts, location, reason
from kuleshov.runners.system import of_the_machine
from kuleshov.sample import Skip, Video
from kuleshov.sources.folder import EVERYTHING, SUFFIXES, videos_below
from kuleshov.sources.source import Found

__all__ = [
    "SUFFIXES",
    "content_id",
    "find",
    "fingerprint",
    "read",
    "read_video",
    "without_duplicates",
]


def find(root: Path | Remote | str) -> list[str]:
    """Paths below `root` that are named like videos, relative to it, sorted.

    Raises:
        UsageError: `root` is no folder, or nothing in it is named like a video.
    """
    return _folder(location(root)).paths


def _folder(root: Location) -> Found:
    return videos_below(root, EVERYTHING, root)


def read_video(root: Location, path: str) -> Video | Skip:
    """One file as a Video, or as a Skip that says why it is none."""
    where = root / path
    try:
        if not facts(where).is_file:
            return Skip(path, "is not a file")
        info = scan(where)
        return Video(id=content_id(where), path=path, root=str(root), **info._asdict())
    except UnreadableVideoError as error:
        return Skip(path, str(error).removeprefix(f"{PurePosixPath(path).name}: "))
    except OSError as error:
        if of_the_machine(error) is not None:
            raise
        return Skip(path, f"cannot be read: {reason(error)}")


def without_duplicates(items: Iterable[Video | Skip]) -> Iterator[Video | Skip]:
    """The same items, in which a second copy of the same content is a Skip."""
    first: dict[str, str] = {}
    for item in items:
        if isinstance(item, Video) and first.setdefault(item.id, item.path) != item.path:
            yield Skip(item.path, f"duplicate of {first[item.id]}")
        else:
            yield item


def read(root: Path | Remote | str) -> Iterator[Video | Skip]:
    """Every video of a folder, recursively, in the order of the paths; what is skipped is last.

    Args:
        root: the folder, or its address.

    Raises:
        UsageError: see `find`.
    """
    found = _folder(location(root))
    yield from without_duplicates(read_video(found.root, path) for path in found.paths)
    yield from found.skips
