"""Reading annotation files as published: JSON, JSON lines, Parquet."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kuleshov.errors import UsageError
from kuleshov.labels import whole
from kuleshov.locations import reason


def one_of(folder: Path, *patterns: str) -> list[Path]:
    """The files of the first pattern that finds some, sorted.

    Raises:
        UsageError: none does.
    """
    for pattern in patterns:
        if found := sorted(folder.glob(pattern)):
            return found
    raise UsageError(
        f"{folder} holds no {' or '.join(patterns)}; give the folder of the benchmark as it was "
        "published (docs/benchmarks_published.md says which files it has)"
    )


def text_of(path: Path) -> str:
    """A text file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        said = reason(error) if isinstance(error, OSError) else "no text in UTF-8"
        raise UsageError(f"{path} cannot be read: {said}; fetch it again") from error


def json_of(path: Path) -> Any:
    """A JSON file.

    Raises:
        UsageError: it is none.
    """
    try:
        return json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON ({error}); fetch it again") from error


def rows_of(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where it stands, row) of a list in JSON, JSON lines or Parquet.

    Raises:
        UsageError: the file is none of these.
    """
    rows: Any
    if path.suffix == ".parquet":
        rows = _parquet(path)
    elif path.suffix == ".jsonl":
        rows = _lines(path)
    else:
        rows = json_of(path)
    if isinstance(rows, dict):
        raise UsageError(f"{path} holds an object; expected: a list of rows")
    for number, row in enumerate(rows, 1):
        place = f"{path.name}, row {number}"
        if not isinstance(row, dict):
            raise UsageError(f"{place} is {row!r}; expected: an object")
        yield place, row


@contextmanager
def as_published(place: str) -> Iterator[None]:
    """In which a row is taken apart.

    Args:
        place: where it stands, for people.

    Raises:
        UsageError: something in it is of another kind than in the published files.
    """
    try:
        yield
    except UsageError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise UsageError(
            f"{place} is not as published ({type(error).__name__}: {error}); fetch the file again"
        ) from error


def text_in(row: dict[str, Any], key: str, place: str) -> str:
    """A text that a row must have, which may be a number (of a video, of a question).

    Raises:
        UsageError: it has none, or something else.
    """
    return _text(need(row, key, place), key, place)


def question_in(row: dict[str, Any], key: str, place: str) -> str:
    """What is asked, or asked for, which is no number.

    Raises:
        UsageError: the row has none, or something else.
    """
    value = need(row, key, place)
    if not isinstance(value, str):
        raise UsageError(f"{place}: {key} is {value!r}; expected: text")
    return text_in(row, key, place)


def texts_in(row: dict[str, Any], key: str, place: str) -> list[str]:
    """A list of texts that a row must have.

    Raises:
        UsageError: it has none, or something else.
    """
    values = need(row, key, place)
    if not isinstance(values, list):
        raise UsageError(f"{place}: {key} is {values!r}; expected: a list of texts")
    return [_text(value, key, place) for value in values]


def seconds_of(value: Any, place: str) -> float:
    """A time, as a number or a text that is one.

    Raises:
        UsageError: it is none, or none that is finite and not below 0.
    """
    try:
        if isinstance(value, bool):
            raise TypeError(value)
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UsageError(f"{place}: a time is {value!r}; expected: seconds from 0 on")
    return seconds


def _text(value: Any, key: str, place: str) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise UsageError(f"{place}: {key} is {value!r}; expected: a text")
    if not whole(text := str(value)):
        raise UsageError(f"{place}: {key} is {text!r}, with half of a character; mend the file")
    return text


def need(row: dict[str, Any], key: str, place: str) -> Any:
    """A value that a row must have.

    Raises:
        UsageError: it has none; the message says what it has.
    """
    if row.get(key) is None:
        raise UsageError(f"{place} has no {key}; it has {', '.join(map(str, row)) or 'nothing'}")
    return row[key]


def _lines(path: Path) -> Iterator[Any]:
    for number, line in enumerate(text_of(path).splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{path}, line {number} is no JSON ({error})") from error


def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(256):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{path} cannot be read as a table: {error}; fetch it again") from error
