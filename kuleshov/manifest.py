"""What files were when they were declared whole, and whether they still are.

    {"train-00000.parquet": {"size": 48213, "hash": "9f…", "count": 1024}, …}

A file that was cut, emptied, zeroed or exchanged for another is told from the one that was written,
which its name, and a mark that says "finished", cannot do. A text that is written at once may carry
its own entry instead, as its first line: it is sealed.

    {"sealed": {"count": 128, "hash": "41…", "part": 3, "size": 90112}}
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from kuleshov.files import replace_text
from kuleshov.sample import Json, dump_json

FILE = "manifest.json"
"""Of a finished set: its list. The file that says "finished" has the hash of it."""

_BLOCK, _BLOCKS = 1 << 13, 128
SAMPLED = _BLOCK * _BLOCKS
"""Bytes of a large file that `entry` reads where not all of them are wanted: 1 MiB."""


def entry(path: Path, count: int | None = None, whole: bool = True) -> dict[str, Json]:
    """What a file is now.

    Args:
        path: of the file.
        count: of what it holds, such as rows, where that is known.
        whole: whether all of it is hashed. If not, files above 1 MiB are hashed at 128 places, the
            first and the last bytes among them: checkpoints have many gigabytes.
    """
    size = path.stat().st_size
    found: dict[str, Json] = {"size": size, "hash": _hash(path, size, whole)}
    if not whole and size > SAMPLED:
        found["sampled"] = True
    return found if count is None else {**found, "count": count}


def entries(folder: Path, paths: Iterable[Path], whole: bool = True) -> dict[str, dict[str, Json]]:
    """`entry` of files, by their names below a folder."""
    return {path.relative_to(folder).as_posix(): entry(path, whole=whole) for path in sorted(paths)}


def fault(
    path: Path, listed: Mapping[str, Json], content: bool = True, grown: bool = False
) -> str | None:
    """What keeps a file from being the one that was listed, as the end of "FILE …"; None if it is.

    Args:
        path: of the file.
        listed: its entry; one that is none itself is told as that.
        content: whether it is read too; else only its size is looked at.
        grown: whether lines may have been added to it since.
    """
    try:
        size, before = path.stat().st_size, int(listed["size"])
        if not path.is_file():
            return "is no file"
        if size < before or (size > before and not grown):
            return f"has {size:,} bytes in the place of {before:,}"
        if content and _hash(path, before, not listed.get("sampled")) != listed["hash"]:
            return "has other content than when it was written"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except (AttributeError, KeyError, TypeError, ValueError):
        return "is listed without its size and hash"
    return None


def faults(
    folder: Path, listed: Mapping[str, Mapping[str, Json]], content: bool = True
) -> list[str]:
    """What is not as it was listed, such as "optimizer.pt has 0 bytes in the place of 8,192"."""
    found = ((name, fault(folder / name, listed[name], content)) for name in sorted(listed))
    return [f"{name} {why}" for name, why in found if why]


def write_list(folder: Path, listed: Mapping[str, Json]) -> str:
    """Write the list of a folder, which is to be finished next; returns the hash of it.

    Raises:
        WriteError: the disk is full, or the folder cannot be written.
    """
    text = json.dumps(listed, indent=1, sort_keys=True) + "\n"
    replace_text(folder / FILE, text)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def read_list(folder: Path, written: object) -> dict[str, Any] | None:
    """The list of a folder; None for one of before there were lists, with one warning.

    Args:
        folder: with the list.
        written: the hash of it, from where the folder is said to be finished.

    Raises:
        ValueError: it is not what was written; the message is the end of "FILE …".
    """
    if written is None:
        warn_once(f"{folder} is of a version that did not list its files; it is taken as it is")
        return None
    try:
        if (folder / FILE).is_fifo():  # would be waited for
            raise ValueError("is no file")
        content = (folder / FILE).read_bytes()
    except FileNotFoundError:
        raise ValueError("is missing") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error
    if blake2b(content, digest_size=16).hexdigest() != written:
        raise ValueError("has other content than when it was written")
    try:
        listed = json.loads(content)
    except (ValueError, RecursionError):
        listed = None
    if isinstance(listed, dict):
        return listed
    raise ValueError("is no list of files")


@cache
def warn_once(text: str) -> None:
    """Say something that is found at several places of one command."""
    logging.getLogger(__name__).warning(text)


def sealed(text: str, **facts: Json) -> str:
    """A text behind its seal.

    Args:
        text: what is to be written.
        facts: what else has to be so where it is read, such as its place among others.
    """
    return f"{dump_json({_SEALED: _seal(text.encode(), facts)})}\n{text}"


def unsealed(path: Path, **facts: Json) -> tuple[str, bool]:
    """The text of a sealed file, and whether it was sealed; those of before there were seals are
    read as they are.

    Args:
        path: of the file.
        facts: what it was sealed with.

    Raises:
        ValueError: it is not what was sealed; the message is the end of "FILE …".
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    first, _, rest = content.partition(b"\n")
    try:
        seal = json.loads(first)[_SEALED]
    except (ValueError, LookupError, TypeError, RecursionError):
        seal, rest = None, content
    try:
        text = rest.decode()
    except UnicodeDecodeError:
        raise ValueError("is no text") from None
    if seal is None:
        return text, False
    now = _seal(rest, facts)
    if seal == now:
        return text, True
    if not isinstance(seal, dict) or seal.get("hash") != now["hash"]:
        raise ValueError("has other content than when it was written")
    raise ValueError("is of other work than is asked for now")


def is_seal(line: str) -> bool:
    """Whether the first line of a file is its seal."""
    return line.startswith(f'{{"{_SEALED}":')


_SEALED = "sealed"


def _seal(content: bytes, facts: Mapping[str, Json]) -> dict[str, Json]:
    return {**facts, "size": len(content), "hash": blake2b(content, digest_size=16).hexdigest()}


def _hash(path: Path, size: int, whole: bool) -> str:
    state = blake2b(digest_size=16)
    with path.open("rb", buffering=0) as file:
        if whole or size <= SAMPLED:
            while block := file.read(min(size, 1 << 20)):
                state.update(block)
                size -= len(block)
        else:
            for i in range(_BLOCKS):
                file.seek(i * (size - _BLOCK) // (_BLOCKS - 1), os.SEEK_SET)
                state.update(file.read(_BLOCK))
    return state.hexdigest()
