"""Harm that comes to files, and what a command makes of a folder with a file that was harmed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from kuleshov.cli import app
from kuleshov.errors import KuleshovError
from kuleshov.files import is_temporary
from kuleshov.lock import LOCK
from kuleshov.manifest import warn_once

KINDS: dict[str, Callable[[bytes], bytes | None]] = {
    "deleted": lambda content: None,
    "emptied": lambda content: b"",
    "cut to a byte": lambda content: content[:1],
    "cut in half": lambda content: content[: len(content) // 2],
    "short of a byte": lambda content: content[:-1],
    "zeroed": lambda content: bytes(len(content)),
    "zeroed at its end": lambda content: content[: -len(content) // 4].ljust(len(content), b"\0"),
}
"""By name, from what a file holds to what it holds then; None where it is gone. One more, for a
file that lies beside another of its kind, is that it is exchanged for that one."""


_ALIKE = 8


class Came(NamedTuple):
    """What came of a command.

    Args:
        code: its exit code; None for an error that is none of ours.
        text: all that it printed.
        result: what it made.
    """

    code: int | None
    text: str
    result: Any


class Case(NamedTuple):
    """A command, and the folder that it is to find.

    Args:
        name: of the case.
        state: the folder, as something left it.
        words: the command; the folder lies at `place` then.
        place: where.
        result: what counts of what came out.
        made: what the command writes, which is not there before; None for the folder itself.
        left_out: files that are not harmed, as nobody reads them back.
    """

    name: str
    state: Path
    words: Sequence[str]
    place: Path
    result: Callable[[], Any]
    made: Path | None = None
    left_out: Sequence[str] = ()


def tries(case: Case) -> Iterator[tuple[str, str]]:
    """(what was tried, "" or what is wrong with what came of it) of every file and every harm.

    Of many alike in one folder, three are harmed. Nothing goes on from a lock, or from a file that
    was never whole.
    """
    right = _came(case, None, None)
    if right.code:
        yield f"{case.name}, unharmed", "traceback" if right.code is None else "silent"
        return
    for path in _some(files(case.state)):
        name = path.relative_to(case.state).as_posix()
        if path.name == LOCK or is_temporary(path) or name in case.left_out:
            continue
        for kind, content in _harmed(path):
            came = _came(case, name, content)
            yield f"{case.name}, {name} {kind}", judged(came, right, path.name)


def _some(paths: Sequence[Path]) -> Iterator[Path]:
    """Of many alike in one folder, the first, one from the middle and the last."""
    for _, same in groupby(paths, key=lambda path: (path.parent, path.suffix)):
        alike = list(same)
        yield from alike if len(alike) <= _ALIKE else (alike[0], alike[len(alike) // 2], alike[-1])


def judged(came: Came, right: Came, name: str) -> str:
    """What is wrong with what came of a harmed file, "" if nothing is."""
    if came.code is None:
        return "traceback"
    same = came.code == right.code and came.result == right.result
    return "" if same or name in " ".join(came.text.split()) else "silent"


def _came(case: Case, name: str | None, content: bytes | None) -> Came:
    shutil.rmtree(case.made or case.place, ignore_errors=True)
    copy(case.state, case.place)
    if name is not None:
        path = case.place / name
        path.unlink() if content is None else path.write_bytes(content)
    code, text = invoke(case.words)
    return Came(code, text, case.result() if code == 0 else None)


def _harmed(path: Path) -> Iterator[tuple[str, bytes | None]]:
    content = path.read_bytes()
    for kind, harm in KINDS.items():
        if (now := harm(content)) != content:
            yield kind, now
    for other in files(path.parent):
        alike = other.parent == path.parent and other.suffix == path.suffix
        if alike and (now := other.read_bytes()) != content:
            yield f"exchanged for {other.name}", now
            break


def invoke(words: Sequence[str]) -> tuple[int | None, str]:
    """(exit code, all that was printed) of a command; None for an error that is none of ours."""
    warn_once.cache_clear()
    result = CliRunner().invoke(app, list(words))
    error = result.exception
    if error is None or isinstance(error, SystemExit):
        return result.exit_code, result.output
    return (2, f"{result.output}{error}") if isinstance(error, KuleshovError) else (None, "")


def copy(folder: Path, place: Path) -> None:
    """A folder at a place, instead of what is there."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)


def files(folder: Path) -> list[Path]:
    """All files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder with their bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files(folder)}
