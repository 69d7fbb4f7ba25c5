"""Which folders are ours to write in: one rule for all commands.

    FOLDER/.kuleshov   {"kind": "samples", "version": 1}, written before all else

A folder is ours where it carries our mark of that kind, is empty, or is not there; one of before
there were marks counts as marked where the files are there that such a folder had. Anything else is
refused before work begins. What is removed are single files of ours, by their names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from kuleshov.errors import UsageError, WriteError
from kuleshov.files import is_temporary, replace_text
from kuleshov.lock import LOCK, locked, sweep
from kuleshov.untrusted import json_value, read_text, yaml_value

MARK = ".kuleshov"
VERSION = 1
_NAMED = 5


class Kind(NamedTuple):
    """A kind of folder that we write.

    Args:
        what: it is, in messages.
        other: what a folder holds that is none.
        before: whether a folder without a mark has the files of one.
    """

    what: str
    other: str
    before: Callable[[Path], bool]


def _all(*names: str) -> Callable[[Path], bool]:
    return lambda folder: all((folder / name).exists() for name in names)


def _only(folder: Path, *names: str) -> bool:
    """Whether nothing is there but what a run leaves that was stopped early."""
    return _names(folder) == {*names}


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not is_temporary(path)} - {LOCK}


def _samples(folder: Path) -> bool:
    rows = (folder / "samples").is_dir() or "tasks" in _json(folder / "summary.json")
    made = rows and (folder / "skips.jsonl").is_file() and "videos" in _yaml(folder / "config.yaml")
    begun = any(_all(f"{work}/key")(folder) for work in (".making", ".importing"))
    return made or begun or any(_only(folder, name) for name in ("missing.txt", "replies.jsonl"))


def _rendered(folder: Path) -> bool:
    finished = "stored" in _json(folder / "summary.json") and (folder / "skips.jsonl").exists()
    return finished or _all(".rendering/key")(folder)


def _curated(folder: Path) -> bool:
    finished = _all("rows.jsonl", "rejected.jsonl", "summary.json")(folder)
    return finished or _only(folder, "replies.jsonl")


def _run_of(*keys: str) -> Callable[[Path], bool]:
    return lambda folder: {"model", "samples", *keys} <= _json(folder / "environment.json").keys()


def _demo(folder: Path) -> bool:
    settings = folder / "settings.txt"
    return settings.is_file() and b"\nvideos: " in settings.read_bytes()


def _kind(what: str, before: Callable[[Path], bool]) -> Kind:
    return Kind(what, f"something other than {what}", before)


KINDS: dict[str, Kind] = {
    "samples": _kind("a set of samples", _samples),
    "rendered": _kind("a rendered set", _rendered),
    "train": _kind("a training run", _run_of("settings")),
    "eval": _kind("an evaluation run", _run_of("temperature")),
    "curated": _kind("rows of `kuleshov curate`", _curated),
    "view": Kind("a page of samples", "another page", _all("index.html", "data.js")),
    "report": Kind("the files of a report", "another page", _all("data.js", "details")),
    "demo": _kind("a demo", _demo),
}
"""By the name in the mark."""


def check(folder: Path, kind: str) -> None:
    """See that a folder is ours to write in.

    Args:
        folder: it need not be there.
        kind: in `KINDS`, what is to be written.

    Raises:
        UsageError: it is not; nothing was changed.
        WriteError: it is a file.
    """
    try:
        names = sorted(_names(folder))
    except FileNotFoundError:
        if folder.is_symlink():
            raise UsageError(f"{folder} is a link to nothing; give another folder") from None
        return
    except NotADirectoryError:
        file = next(one for one in (folder, *folder.parents) if one.is_file())
        raise WriteError(f"{file} is a file; give a folder to write in") from None
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be looked into: {error.strerror}; give another folder"
        ) from error
    if not names:
        return
    wanted, mark = KINDS[kind], read_mark(folder)
    if mark.get("kind") == kind or (not mark and wanted.before(folder)):
        version = mark.get("version", VERSION)
        if type(version) is int and version <= VERSION:
            return
        raise UsageError(
            f"{folder} was written by a later version of kuleshov ({MARK} says {version!r}); use "
            "that one, or give another folder"
        )
    other = KINDS.get(str(mark.get("kind")))
    is_now = f", {other.what}" if other else ""
    raise UsageError(
        f"{folder} holds {wanted.other}; give another folder, a new or an empty one. It holds "
        f"{listed(names)}{is_now}; nothing was changed"
    )


def listed(names: Sequence[str]) -> str:
    """Some of many names.

    >>> listed(["a", "b", "c", "d", "e", "f", "g"])
    'a, b, c, d, e and 2 more'
    """
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def apart(folder: Path, *inputs: Path) -> None:
    """See that nothing that is read lies in the folder that is written.

    Raises:
        UsageError: an input is the folder, or lies inside of it.
    """
    for path in inputs:
        if path.exists() and path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"{path} lies inside of {folder}, which is to be written; give another folder for "
                "the output, outside of what is read"
            )


@contextmanager
def writing(folder: Path, kind: str, *inputs: Path) -> Iterator[None]:
    """Write in a folder: it is checked, made, marked as ours, and locked.

    A folder that is still empty in the end, after an error, goes again.

    Args:
        folder: to write in.
        kind: in `KINDS`.
        inputs: what is read, and must not lie in it.

    Raises:
        UsageError: see `check` and `apart`; or another process writes there.
        WriteError: it cannot be written.
    """
    check(folder, kind)
    apart(folder, *inputs)
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder} cannot be made: {error.strerror}; give another") from error
    try:
        with locked(folder) as behind:
            check(folder, kind)  # it may have become another's
            if behind or not read_mark(folder):
                sweep(folder, MARK)
            if unmarked := not read_mark(folder):
                set_mark(folder, kind)
            try:
                yield
            finally:
                if unmarked and _only(folder, MARK):
                    (folder / MARK).unlink()
    finally:
        for path in missing:
            _remove_empty(path)


def read_mark(folder: Path) -> dict[str, Any]:
    """The mark of a folder; empty without one."""
    return _json(folder / MARK)


def set_mark(folder: Path, kind: str, **more: str) -> None:
    """Mark a folder as ours.

    Args:
        folder: it is made.
        kind: in `KINDS`.
        more: what is to be known of it.
    """
    replace_text(folder / MARK, json.dumps({"kind": kind, "version": VERSION, **more}) + "\n")


def check_beside(folder: Path, kind: str, names: Iterable[Path]) -> None:
    """See that a folder is ours and so are the files that go with it, which its mark stands for.

    Args:
        folder: need not be there.
        kind: in `KINDS`.
        names: of the files; where the folder is not there yet, none of them may be.

    Raises:
        UsageError: they are not; nothing was changed.
    """
    check(folder, kind)
    if not folder.is_dir() and (there := sorted(path.name for path in names if path.exists())):
        raise UsageError(
            f"{folder.parent} holds {KINDS[kind].other}; give another folder with -o, a new or an "
            f"empty one, or another name. It holds {listed(there)}; nothing was changed"
        )


def check_page(page: Path) -> None:
    """See that a page may be written: there is none, or it is one of ours.

    Raises:
        UsageError: there is another file.
    """
    if not page.exists():
        return
    # Those of before there was a mark have our style, which begins so.
    if page.is_file() and any(sign in page.read_bytes()[:4096] for sign in _PAGES):
        return
    raise UsageError(
        f"{page} is there already and is no page of kuleshov; give another name. Nothing was "
        "changed"
    )


_PAGES = (b'<meta name="generator" content="kuleshov', b"<title>Pairs in ", b"<title>Check of ")


def remove(folder: Path, *patterns: str) -> None:
    """Remove single files of ours from a folder, and the folders that are empty then.

    Links are removed and never followed; what has other names stays.

    Args:
        folder: to remove from; it goes too if it is empty then.
        patterns: of files, relative to it: names or globs, without `**`.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    within = {folder}
    for pattern in patterns:
        for path in folder.glob(pattern):
            above = [parent for parent in path.parents if parent.is_relative_to(folder)]
            if any(parent.is_symlink() for parent in above):
                continue
            if path.is_dir() and not path.is_symlink():
                within.add(path)  # perhaps empty since a kill
                continue
            path.unlink(missing_ok=True)
            within |= {*above}
    for path in sorted(within, key=lambda path: len(path.parts), reverse=True):
        _remove_empty(path)


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # something is in it


def _json(path: Path) -> dict[str, Any]:
    return _mapping(path, json_value)


def _yaml(path: Path) -> dict[str, Any]:
    return _mapping(path, yaml_value)


def _mapping(path: Path, value: Callable[[str], Any]) -> dict[str, Any]:
    """What a file says; {} where it says nothing of that kind."""
    try:
        found = value(read_text(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
