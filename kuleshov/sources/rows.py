"""Videos that are named, or held, by the rows of something."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from kuleshov.content import content_id, content_id_of
from kuleshov.errors import UsageError
from kuleshov.files import replacing
from kuleshov.locations import Location, outside, within
from kuleshov.sample import Skip
from kuleshov.sources.folder import SUFFIXES
from kuleshov.sources.source import Found, Source

COLUMNS = ("video", "path", "video_path", "file")
"""Where no column is named, the first of these that there is."""


class Row(NamedTuple):
    """One row.

    Args:
        place: where it stands, for people.
        path: of the video, or None.
        data: the video itself as a `pyarrow.Buffer`, or None.
    """

    place: str
    path: str | None
    data: Any = None


class Rows(Source):
    """Rows in their order. Paths are relative to `folder`, or to the root that was asked for."""

    @abstractmethod
    def folder(self) -> Location:
        """Where the rows are kept."""

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """All rows.

        Raises:
            UsageError: what holds them is broken; the message says where.
        """

    def find(self) -> Found:
        """The videos of all rows; those that rows hold are written into a folder.

        A set has one root, so that rows with a path only are skips where others hold a video.
        """
        root = self.asked.root_or(self.folder())
        paths: dict[str, None] = {}  # as ordered sets
        extracted: dict[str, None] = {}
        skips: dict[Skip, None] = {}
        for row in self.rows():
            if row.data is not None:
                extracted[self._extract(row)] = None
            elif not row.path:
                skips[Skip(row.place, "holds neither a video nor a path")] = None
            elif (path := within(root, row.path)) is None:
                skips[Skip(row.path, outside(root))] = None
            else:
                paths[path] = None
        if not (paths or extracted or skips):
            raise UsageError(f"{self.where} is empty; give one that names at least one video")
        if not extracted:
            return Found(root, list(paths), list(skips))
        why = "its row holds no bytes, as others do; put such rows into a list of their own"
        skips.update({Skip(path, why): None for path in paths})
        return Found(self.asked.extracted, list(extracted), list(skips))

    def _extract(self, row: Row) -> str:
        """Write the video of a row, named by its content; returns the name."""
        import pyarrow as pa

        suffix = PurePosixPath(row.path or "").suffix.lower()
        name = content_id_of(pa.BufferReader(row.data), row.data.size)
        path = self.asked.extracted / f"{name}{suffix if suffix in SUFFIXES else '.mp4'}"
        if not _holds(path, name):
            with replacing(path) as file:
                file.write(row.data)
        return path.name


def _holds(path: Path, content: str) -> bool:
    """Whether a video was written before, and is still what it was."""
    try:
        return content_id(path) == content
    except OSError:
        return False


def choose_column(where: str, present: Sequence[str], asked: str | None) -> str:
    """The column that was asked for, or the first of `COLUMNS`.

    Args:
        where: what holds the columns, for the message.
        present: the columns that there are.
        asked: the one that was asked for, if any.

    Raises:
        UsageError: there is none such.
    """
    for name in COLUMNS if asked is None else (asked,):
        if name in present:
            return name
    wanted = f"no column {asked!r}" if asked is not None else f"none of {', '.join(COLUMNS)}"
    raise UsageError(
        f"{where} has the columns {', '.join(map(str, present)) or '(none)'} and {wanted}; "
        "name the column of videos with --column"
    )
