"""Tables of Arrow: Parquet files, and what `datasets.save_to_disk` writes.

A column holds paths as text, or videos as Hugging Face stores them: a struct of `bytes` and
`path`, of which either may be missing. They are read with pyarrow alone, and nothing is decoded.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from kuleshov.errors import UsageError
from kuleshov.locations import Location, is_folder, reason, within
from kuleshov.sources.folder import is_glob, parent, split_glob, walk
from kuleshov.sources.rows import Row, Rows, choose_column

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 16
"""Rows that are in memory at a time; each may hold a video."""


class Tables(Rows):
    """The rows of several files, one after the other."""

    @abstractmethod
    def files(self) -> list[Location]:
        """The files, in order.

        Raises:
            UsageError: there are none, or what names them is broken.
        """

    @abstractmethod
    def batches(self, file: Location) -> Iterator[pa.Array]:
        """The column of a file, some rows at a time."""

    def rows(self) -> Iterator[Row]:
        import pyarrow as pa

        files = self.files()
        for done, file in enumerate(files):
            self.asked.progress("reading tables", done, len(files))
            number = 0
            batches = self.batches(file)
            while True:
                try:
                    batch = next(batches, None)
                except (pa.ArrowException, OSError) as error:
                    said = reason(error) if isinstance(error, OSError) else error
                    raise UsageError(
                        f"{file} cannot be read as a table: {said}; write it again or leave it out"
                    ) from error
                if batch is None:
                    break
                for path, data in _cells(batch):
                    number += 1
                    yield Row(f"{file}, row {number}", path, data)
        self.asked.progress("reading tables", len(files), len(files))

    def column(self, file: Location, schema: pa.Schema) -> int:
        """The place of the column of videos, which is of an allowed type.

        Raises:
            UsageError: there is none such.
        """
        name = choose_column(str(file), schema.names, self.asked.column)
        place = int(schema.names.index(name))
        kind = schema.field(place).type
        if not (_is_text(kind) or _is_video(kind)):
            raise UsageError(
                f"{file}: column {name!r} is of type {kind}; allowed: text, or a struct of bytes "
                "and path. Name another one with --column"
            )
        return place


@final
class Parquet(Tables):
    """A Parquet file, or those that a glob names, sorted."""

    def takes(self) -> bool:
        return self.asked.address.lower().endswith(".parquet")

    def folder(self) -> Location:
        address = self.asked.address
        return split_glob(address)[0] if is_glob(address) else parent(self.where)

    def files(self) -> list[Location]:
        if not is_glob(self.asked.address):
            return [self.where]
        folder, pattern = split_glob(self.asked.address)
        unread: list[Any] = []
        found = [folder / path for path, _ in walk(folder, pattern, (".parquet",), unread)]
        if unread:
            raise UsageError(f"{folder}: {unread[0].path} {unread[0].reason}")
        if not found:
            raise UsageError(f"{self.asked.address} names no file; give a path that is there")
        return found

    def batches(self, file: Location) -> Iterator[pa.Array]:
        import pyarrow.parquet as pq

        with file.open("rb") as opened, closing(pq.ParquetFile(opened)) as table:
            schema = table.schema_arrow
            name = schema.names[self.column(file, schema)]
            for batch in table.iter_batches(_ROWS, columns=[name]):
                yield batch.column(0)


@final
class Saved(Tables):
    """A folder that `datasets.Dataset.save_to_disk` wrote, or `DatasetDict.save_to_disk`."""

    def takes(self) -> bool:
        return is_folder(self.where) and any(
            _exists(self.where / name) for name in ("state.json", "dataset_dict.json")
        )

    def folder(self) -> Location:
        return self.where

    def files(self) -> list[Location]:
        folders = [self.where]
        if _exists(self.where / "dataset_dict.json"):
            splits = _read_json(self.where / "dataset_dict.json", "splits")
            folders = [self._inside(self.where, split) for split in splits]
        return [
            self._inside(folder, file.get("filename") if isinstance(file, dict) else file)
            for folder in folders
            for file in _read_json(folder / "state.json", "_data_files")
        ]

    def _inside(self, folder: Location, name: Any) -> Location:
        inner = within(folder, name) if isinstance(name, str) else None
        if inner is None:
            raise UsageError(
                f"{folder} names {name!r} as a part of it, which lies outside; save the dataset "
                "again"
            )
        return folder / inner

    def batches(self, file: Location) -> Iterator[pa.Array]:
        import pyarrow as pa

        # Mapped, a file on disk takes no memory however large it is.
        source = pa.memory_map(str(file)) if isinstance(file, Path) else file.open("rb")
        with source, pa.ipc.open_stream(source) as stream:
            place = self.column(file, stream.schema)
            for batch in stream:
                yield batch.column(place)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_video(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if not pa.types.is_struct(kind):
        return False
    allowed = {
        "bytes": (pa.binary(), pa.large_binary(), pa.null()),
        "path": (pa.string(), pa.large_string(), pa.null()),
    }
    return {field.name for field in kind} >= set(allowed) and all(
        kind.field(name).type in types for name, types in allowed.items()
    )


def _cells(column: pa.Array) -> Iterator[tuple[str | None, Any]]:
    """(path, bytes) of each row, either of which may be None."""
    if _is_text(column.type):
        yield from ((path, None) for path in column.to_pylist())
        return
    # Flattened, a row that is null as a whole is null in each of its fields.
    names = [field.name for field in column.type]
    fields = dict(zip(names, column.flatten(), strict=True))
    for path, data in zip(fields["path"], fields["bytes"], strict=True):
        yield path.as_py(), data.as_buffer() if data.is_valid else None


def _exists(where: Location) -> bool:
    try:
        with where.open("rb"):
            return True
    except OSError:
        return False


def _read_json(where: Location, key: str) -> list[Any]:
    """A list in a file of `datasets`.

    Raises:
        UsageError: it is not there.
    """
    try:
        with where.open("rb") as file:
            value = json.load(file)[key]
    except OSError as error:
        said = reason(error)
        raise UsageError(f"{where} cannot be read: {said}; save the dataset again") from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise UsageError(f"{where} is broken ({error!r}); save the dataset again") from error
    if not isinstance(value, list):
        raise UsageError(f"{where}: {key} is {value!r}; save the dataset again")
    return value
