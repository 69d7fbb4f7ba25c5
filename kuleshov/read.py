"""A folder of files becomes `Video | Skip`, one for each file that is named like a video.

Files of other kinds (subtitles, thumbnails, notes) are not looked at and are not skips. A second
copy of the same content is a Skip, `duplicate of <path>`: the same question twice teaches
nothing, and a copy on the other side of a split would be a leak.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

from kuleshov.errors import UnreadableVideoError, UsageError
from kuleshov.frames import scan
from kuleshov.sample import Skip, Video

SUFFIXES = (
    *(".3g2", ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"),
)
"""File name endings, in lower case, that are taken for videos."""

_MIB = 1 << 20


def find(root: Path) -> list[str]:
    """Paths below `root` that are named like videos, relative to it, sorted.

    Raises:
        UsageError: `root` is no folder, or nothing in it is named like a video.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder; give the folder that holds the videos")
    paths = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file()
    )
    if not paths:
        raise UsageError(
            f"no videos below {root}; files are taken by their ending: {' '.join(SUFFIXES)}"
        )
    return paths


def content_id(path: Path) -> str:
    """Hash of the content: BLAKE2b over size and the first, middle and last MiB, 32 hex digits.

    Two large files that differ only elsewhere collide; videos that are cut or re-encoded do not.
    """
    size = path.stat().st_size
    state = blake2b(size.to_bytes(8, "little"), digest_size=16)
    with path.open("rb") as file:
        for offset in (0, max(0, (size - _MIB) // 2), max(0, size - _MIB)):
            file.seek(offset)
            state.update(file.read(_MIB))
    return state.hexdigest()


def fingerprint(root: Path, paths: Iterable[str]) -> str:
    """A hash of the paths, sizes and times of change: what is the same when nothing was touched."""
    state = blake2b(digest_size=16)
    for path in paths:
        try:
            found = (root / path).stat()
            state.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
        except OSError:
            state.update(f"{path}\0".encode())
    return state.hexdigest()


def read_video(root: Path, path: str) -> Video | Skip:
    """One file as a Video, or as a Skip that says why it is none."""
    try:
        info = scan(root / path)
        return Video(id=content_id(root / path), path=path, root=str(root), **info._asdict())
    except UnreadableVideoError as error:
        return Skip(path, str(error).removeprefix(f"{Path(path).name}: "))
    except OSError as error:
        return Skip(path, f"cannot be read: {error.strerror or error}")


def without_duplicates(items: Iterable[Video | Skip]) -> Iterator[Video | Skip]:
    """The same items, in which a second copy of the same content is a Skip."""
    first: dict[str, str] = {}
    for item in items:
        if isinstance(item, Video) and first.setdefault(item.id, item.path) != item.path:
            yield Skip(item.path, f"duplicate of {first[item.id]}")
        else:
            yield item


def read(root: Path | str) -> Iterator[Video | Skip]:
    """Every video of a folder, recursively, in the order of the paths.

    Raises:
        UsageError: see `find`.
    """
    root = Path(root)
    yield from without_duplicates(read_video(root, path) for path in find(root))
