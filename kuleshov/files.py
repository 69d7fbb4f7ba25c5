"""Writing files so that a reader sees the old one or the whole new one, and never half of one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kuleshov.errors import WriteError

_TEMPORARY = re.compile(r"\..*\.(?:[0-9a-f]{12}\.)?tmp")


def temporary(path: Path) -> Path:
    """Beside a file, the name for what is not whole yet."""
    return path.with_name(f".{path.name}.tmp")


def is_temporary(path: Path) -> bool:
    """Whether it is a file that was never whole, of a writer that was killed."""
    return _TEMPORARY.fullmatch(path.name) is not None


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that gets its name when it is whole and on the disk.

    Raises:
        WriteError: the disk is full or the folder cannot be written; the old file is still there.
    """
    # Always the same name: what a kill leaves behind is written over by the next run.
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
    except OSError as error:
        written.unlink(missing_ok=True)
        raise _unwritten(path, error) from error
    except BaseException:
        written.unlink(missing_ok=True)
        raise


def _unwritten(path: Path, error: OSError) -> WriteError:
    return WriteError(
        f"{path} cannot be written: {error.strerror or error}. What was finished before it is "
        "kept; make room or give another folder, and start the same command again"
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
