"""Writing files so that a reader sees the old one or the whole new one, and never half of one."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO

from kuleshov.errors import WriteError

_TEMPORARY = re.compile(r"\..*\.(?:[0-9a-f]{12}\.)?tmp")


def temporary(path: Path) -> Path:
    """Beside a file, a name that no other writer has, for what is not whole yet."""
    return path.with_name(f".{path.name}.{token_hex(6)}.tmp")


def is_temporary(path: Path) -> bool:
    """Whether it is a file that was never whole, of a writer that was killed."""
    return _TEMPORARY.fullmatch(path.name) is not None


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that gets its name when it is whole and on the disk.

    Raises:
        WriteError: the disk is full or the folder cannot be written; the old file is still there.
    """
    written = temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritten(path, error) from error
    try:
        with written.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(written, path)
        _sync(path.parent)
    except OSError as error:
        written.unlink(missing_ok=True)
        raise _unwritten(path, error) from error
    except BaseException:
        written.unlink(missing_ok=True)
        raise


def sync(folder: Path) -> None:
    """See that all files below a folder, and their names, are on the disk and not only on the way.

    To be called before a mark says that the folder is whole.
    """
    for place, _, names in os.walk(folder):
        for name in names:
            _sync(Path(place) / name)
        _sync(Path(place))
    _sync(folder.parent)


def _sync(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):  # not for folders here
            raise
    finally:
        os.close(file)


def make_folder(folder: Path) -> None:
    """A folder, with those above it.

    Raises:
        WriteError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritten(folder, error) from error


def _unwritten(path: Path, error: OSError) -> WriteError:
    remedy = "make room or give another folder"
    if error.errno == errno.EFBIG:
        remedy = "allow larger files (`ulimit -f unlimited`)"
    elif error.errno == errno.EMFILE:
        remedy = "allow more open files (`ulimit -n 4096`)"
    return WriteError(
        f"{path} cannot be written: {error.strerror or error}. What was finished before it is "
        f"kept; {remedy}, and start the same command again"
    )


def replace_text(path: Path, text: str) -> None:
    """Write a text file as a whole.

    Raises:
        WriteError: see `replacing`.
    """
    with replacing(path) as file:
        file.write(text.encode())


def append_lines(path: Path, text: str) -> None:
    """Add lines to a file; one that a kill cut short is ended first, or the next would be lost too.

    Raises:
        WriteError: the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    text = f"\n{text}"
            file.write(text.encode())
    except OSError as error:
        raise _unwritten(path, error) from error


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file that lines were added to; none if it is not there.

    A line that a kill cut short, or that was harmed since, is left out, and the first of them is
    named in a warning.
    """
    if not path.is_file():
        return
    left_out: list[int] = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                yield value
            elif line.strip():
                left_out.append(number)
    if left_out:
        logging.getLogger(__name__).warning(
            "%s, line %d is no longer whole and is left out (%d such lines)",
            *(path, left_out[0], len(left_out)),
        )
