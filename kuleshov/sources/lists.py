"""Lists of paths as text: a path a line, CSV, or a JSON object a line."""

from __future__ import annotations

import codecs
import csv
import io
import json
from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, TextIO, final

from kuleshov.errors import UsageError
from kuleshov.locations import Location, reason
from kuleshov.sources.folder import is_glob, parent
from kuleshov.sources.rows import Row, Rows, choose_column


class TextFile(Rows):
    """A list that is text in UTF-8, or in UTF-16 that says so at its front."""

    suffix: ClassVar[str]

    def takes(self) -> bool:
        name = self.asked.address
        return name.lower().endswith(self.suffix) and not is_glob(name)

    def folder(self) -> Location:
        return parent(self.where)

    def rows(self) -> Iterator[Row]:
        try:
            with self.where.open("rb") as file:
                marked = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
                file.seek(0)
                with io.TextIOWrapper(
                    file, "utf-16" if marked else "utf-8-sig", newline=""
                ) as text:
                    yield from self.parse(text)
        except UnicodeError as error:
            raise UsageError(
                f"{self.where} is no text in UTF-8: {self._undecodable()}. If it is in another "
                "encoding, such as Latin-1, save it in UTF-8"
            ) from error
        except OSError as error:
            raise UsageError(
                f"{self.where} cannot be read: {reason(error)}; give a list of videos that you "
                "may read"
            ) from error

    def _undecodable(self) -> str:
        """Which line cannot be read, for people."""
        with self.where.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError as error:
                    return f"line {number} has the byte 0x{line[error.start]:02x} ({error.reason})"
        return "it breaks off"

    @abstractmethod
    def parse(self, text: TextIO) -> Iterator[Row]:
        """The rows of the text."""

    def line(self, number: int) -> str:
        return f"{self.where}, line {number}"


@final
class Lines(TextFile):
    """A path a line. Empty lines are passed over."""

    suffix = ".txt"

    def parse(self, text: TextIO) -> Iterator[Row]:
        for number, line in enumerate(text, 1):
            if line.strip():
                yield Row(self.line(number), line.rstrip("\r\n"))


# Cells of any length: what is in columns that are not asked for does not matter.
csv.field_size_limit(2**31 - 1)


@final
class Csv(TextFile):
    """CSV whose first line names the columns."""

    suffix = ".csv"

    def parse(self, text: TextIO) -> Iterator[Row]:
        lines = csv.reader(text)
        try:
            header = next(lines, None)
            if header is None:
                return
            column = choose_column(str(self.where), header, self.asked.column)
            if header.count(column) > 1:
                raise UsageError(f"{self.where} has the column {column!r} twice; leave one out")
            place = header.index(column)
            for cells in lines:
                if not cells:
                    continue
                if any(map(str.strip, cells[len(header) :])):
                    raise UsageError(
                        f"{self.line(lines.line_num)} has more cells than the {len(header)} "
                        "columns of the first line; put texts with commas in double quotes"
                    )
                if len(cells) <= place or not cells[place]:
                    raise UsageError(
                        f"{self.line(lines.line_num)}: column {header[place]!r} is empty; each "
                        "line needs the path of a video there"
                    )
                yield Row(self.line(lines.line_num), cells[place])
        except csv.Error as error:
            raise UsageError(
                f"{self.line(lines.line_num)} is no CSV: {error}; mend or remove it"
            ) from error


@final
class JsonLines(TextFile):
    """A JSON object a line. Empty lines are passed over."""

    suffix = ".jsonl"

    def parse(self, text: TextIO) -> Iterator[Row]:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f"{self.line(number)} is no JSON ({error}); each line is an object such as "
                    '{"video": "a.mp4"}'
                ) from error
            if not isinstance(value, dict):
                raise UsageError(
                    f"{self.line(number)} is {line.strip()[:60]!r}; each line is an object such "
                    'as {"video": "a.mp4"}'
                )
            column = choose_column(self.line(number), list(value), self.asked.column)
            path = value[column]
            if not isinstance(path, str) or not path:
                raise UsageError(
                    f"{self.line(number)}: {column} is {path!r}; allowed: the path of a video"
                )
            yield Row(self.line(number), path)
