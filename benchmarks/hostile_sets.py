"""The small files of a sample set and of a run, harmed, through the commands that open them.

summary.json, config.yaml, skips.jsonl, bench.json and the mark of a set, environment.json and
results.jsonl of a run: each is deleted, emptied, cut, zeroed, no text, nested without end or a
pipe, and each of its fields is absent or of another type. The set is one of before there were
lists of files, as whoever harms a set also harms its list. What may come of it is what comes of
the set as it was, or a message that names the file.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from kuleshov.cli import app
from kuleshov.clips import write_clips
from kuleshov.errors import KuleshovError
from kuleshov.manifest import warn_once
from kuleshov.synthesize import MakeConfig, make

COMMANDS: dict[str, list[str]] = {
    "check": ["check", "SET"],
    "view": ["view", "SET", "-o", "OUT", "--workers", "0", "--sheets", "1"],
    "render": ["render", "SET", "-o", "OUT", "--workers", "0"],
    "freeze": ["freeze", "SET"],
    "eval": ["eval", "policy:best_constant", "SET", "-o", "OUT"],
    "report": ["report", "RUN", "-o", "OUT", "--sheets", "0"],
}
OPENED: dict[str, tuple[str, ...]] = {
    "set/summary.json": ("check", "view", "render", "freeze", "eval"),
    "set/config.yaml": ("check", "view", "render", "freeze", "eval"),
    "set/skips.jsonl": ("check", "view"),
    "set/bench.json": ("freeze", "eval"),
    "set/.kuleshov": ("check", "freeze"),
    "run/environment.json": ("report",),
    "run/results.jsonl": ("report",),
    "run/config.yaml": ("report",),
}
"""Which commands are tried with a harmed file."""
VALUES: dict[str, Any] = {
    "null": None,
    "text": "x",
    "a list": [[]],
    "a number": -1,
    "an object": {},
}
OTHERS = ("set/config.yaml videos text", "set/bench.json deleted", "set/bench.json name text")
"""What is no harm: videos lie elsewhere, a set is not frozen, a benchmark has another name."""
WHOLE: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "zeroed": lambda content: bytes(len(content)),
    "no text": lambda content: b"\xff\xfe\xfa" + content,
    "nested": lambda content: b"[" * 100_000,
    "another": lambda content: b"[1, 2]\n",
}


def tries(folder: Path) -> Iterator[tuple[str, str]]:
    """(what was tried, "" or what is wrong with what came of it: "traceback" or "silent").

    Args:
        folder: to work in.
    """
    whole = folder / "whole"
    _write(folder, folder / "copy")
    shutil.copytree(folder / "copy", whole)
    unharmed = {name: _run(folder, whole, name) for name in COMMANDS}
    for file, commands in OPENED.items():
        for name, harm in harms(whole / file):
            if f"{file} {name}" in OTHERS:
                continue
            for command in commands:
                came = _run(folder, whole, command, file, harm)
                same = came == unharmed[command]
                yield (
                    f"{file} {name}, {command}",
                    "traceback"
                    if came[0] is None
                    else ""
                    if same or _told(came, file)
                    else "silent",
                )


def _told(came: tuple[int | None, str], file: str) -> bool:
    """Whether the file is named, or a command failed and named its folder or what lies there."""
    path = Path(file)
    return path.name in came[1] or (came[0] != 0 and f"copy/{path.parent}" in came[1])


def harms(path: Path) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """(name, what harms the file at a path like this one)."""
    yield "deleted", Path.unlink
    yield "a pipe", _pipe
    for name, change in WHOLE.items():
        yield name, partial(_change, change=change)
    first, *rest = (
        path.read_text(encoding="utf-8").splitlines() if path.suffix == ".jsonl" else [""]
    )
    of_yaml = path.suffix == ".yaml"
    text = first or path.read_text(encoding="utf-8")
    value = (yaml.safe_load if of_yaml else json.loads)(text)
    for name, harmed in _variants(value):
        content = (yaml.safe_dump if of_yaml else json.dumps)(harmed)
        content = "\n".join([content, *rest]) + "\n"
        yield name, partial(Path.write_text, data=content, encoding="utf-8")


def _variants(value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key in value:
        yield f"{key} absent", {k: v for k, v in value.items() if k != key}
        for name, other in VALUES.items():
            yield f"{key} {name}", {**copy.deepcopy(value), key: other}


def _change(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _write(folder: Path, whole: Path) -> None:
    """A set, frozen, with skips, and a run on it."""
    write_clips(folder / "videos", 2, seed=7, workers=0)
    (folder / "videos" / "none.mp4").write_bytes(b"no video")
    knobs = {"min_pixels": 32 * 32, "max_pixels": 32 * 32, "kinds": ["zoom_in"], "min_seconds": 1}
    config = MakeConfig(workers=0, tasks={"anomaly": knobs}, held_out=1.0)
    make(folder / "videos", whole / "set", config)
    summary = json.loads((whole / "set" / "summary.json").read_text(encoding="utf-8"))
    del summary["manifest"]
    (whole / "set" / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    for words in (["freeze", "SET"], ["eval", "policy:best_constant", "SET", "-o", "RUN"]):
        _invoke(words, {"SET": whole / "set", "RUN": whole / "run"})


def _run(
    folder: Path,
    whole: Path,
    command: str,
    file: str = "",
    harm: Callable[[Path], object] | None = None,
) -> tuple[int | None, str]:
    """(exit code, all that was printed) with a copy; None for an error that is none of ours."""
    for name in ("copy", "out"):
        shutil.rmtree(folder / name, ignore_errors=True)
    copied = folder / "copy"
    shutil.copytree(whole, copied)
    if harm is not None:
        harm(copied / file)
    places = {"SET": copied / "set", "RUN": copied / "run", "OUT": folder / "out"}
    return _invoke(COMMANDS[command], places)


def _invoke(words: list[str], places: dict[str, Path]) -> tuple[int | None, str]:
    warn_once.cache_clear()  # each command is a process of its own
    result = CliRunner().invoke(app, [str(places.get(word, word)) for word in words])
    error = result.exception
    if error is None or isinstance(error, SystemExit):
        return result.exit_code, result.output
    return (2, f"{result.output}{error}") if isinstance(error, KuleshovError) else (None, "")
