"""Rows of a sample set that are harmed, one field at a time, through the commands that open a set.

Every column of a row, and every value in its media, its edits, its knobs and its provenance, is
absent, null, of another type, extreme, empty or not finite; some are there twice. What may come of
it is what comes of the row as it was, or a message that names the file, the row and the field.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harm import invoke
from kuleshov.clips import write_clips
from kuleshov.dataset import load_samples
from kuleshov.synthesize import MakeConfig, make

Row = dict[str, Any]
Place = tuple[str | int, ...]

_ABSENT = object()
VALUES: dict[str, Any] = {
    "absent": _ABSENT,
    "null": None,
    "text": "\x1b[31m../../x[/red]",
    "empty": "",
    "a list": [[]],
    "an object": {"": {}},
    "huge": 2**62,
    "below 0": -(2**31),
    "NaN": float("nan"),
    "infinite": float("inf"),
}
COMMANDS: dict[str, list[str]] = {
    "check": ["check", "SET"],
    "view": ["view", "SET", "-o", "OUT", "--workers", "0"],
    "render": ["render", "SET", "-o", "OUT", "--workers", "0"],
    "eval": ["eval", "policy:best_constant", "SET", "-o", "OUT"],
}
_PARSED = ("answer", "knobs", "provenance")
_FILE = "held_out-00001.parquet"


def tries(folder: Path) -> Iterator[tuple[str, str]]:
    """(what was tried, "" or what is wrong with what came of it: "traceback" or "silent").

    Args:
        folder: to work in.
    """
    write_clips(folder / "videos", 2, seed=7, workers=0)
    knobs = {"min_pixels": 32 * 32, "max_pixels": 32 * 32, "kinds": ["zoom_in"], "min_seconds": 1}
    config = MakeConfig(workers=0, tasks={"anomaly": knobs}, held_out=1.0)
    data = folder / "set"
    make(folder / "videos", data, config)
    _unlist(data)
    rows = [_open(sample.to_row()) for sample in load_samples(data)]
    # The row that is harmed stands in a file of its own, and nowhere else.
    _write(data, rows[:-1], "held_out-00000.parquet")
    _write(data, [rows[-1]])
    unharmed = {name: _run(folder, data, words) for name, words in COMMANDS.items()}
    for name, field, harmed in variants(rows[-1]):
        try:
            _write(data, harmed)
        except (pa.ArrowException, ValueError, OverflowError):
            continue  # no file can say this
        for command, words in COMMANDS.items():
            came = _run(folder, data, words)
            yield f"{name}, {command}", _judged(came, unharmed[command], field)


def _unlist(data: Path) -> None:
    """Take the list of its files from a set: a stranger's list may fit any rows."""
    summary = json.loads((data / "summary.json").read_text())
    del summary["manifest"]
    (data / "summary.json").write_text(json.dumps(summary))


def variants(row: Row) -> Iterator[tuple[str, str, list[Row]]]:
    """(what was done, a word of the field that a message must have, the rows)."""
    for place in _places(row):
        for name, value in VALUES.items():
            if value is _ABSENT and isinstance(place[-1], int):
                continue  # a shorter list is another row, and a sound one
            yield f"{_named(place)} {name}", str(place[0]), [_changed(row, place, value)]
    yield "id twice", "id", [row, copy.deepcopy(row)]
    for column in ("video_ids", "media"):
        yield f"{column} twice", column, [_changed(row, (column,), row[column] * 2)]
    videos = row["provenance"]["videos"]
    other = [*videos, {**videos[0], "path": "x.mp4"}]
    yield "paths twice", "provenance", [_changed(row, ("provenance", "videos"), other)]
    yield "placeholders", "prompt", [_changed(row, ("prompt",), "<video>" * 100_000)]


def _places(row: Row) -> Iterator[Place]:
    """Every column, and the first of each list in it."""

    def below(place: Place, value: Any) -> Iterator[Place]:
        yield place
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from below((*place, key), inner)
        elif isinstance(value, list) and value:
            yield from below((*place, 0), value[0])

    for key, value in row.items():
        yield from below((key,), value)


def _named(place: Place) -> str:
    return ".".join(map(str, place))


def _changed(row: Row, place: Place, value: Any) -> Row:
    harmed = copy.deepcopy(row)
    at: Any = harmed
    for key in place[:-1]:
        at = at[key]
    if value is _ABSENT:
        del at[place[-1]]
    else:
        at[place[-1]] = value
    return harmed


def _open(row: Row) -> Row:
    """A row whose values in JSON are taken out of it, to be harmed one by one."""
    media = [{**item, "edits": json.loads(item["edits"])} for item in row["media"]]
    return {**row, "media": media, **{key: json.loads(row[key]) for key in _PARSED}}


def _closed(row: Row) -> Row:
    closed = dict(row)
    for key in _PARSED:
        if key in row:
            closed[key] = json.dumps(row[key])
    with suppress(TypeError, KeyError, AttributeError):
        closed["media"] = [{**m, "edits": json.dumps(m["edits"])} for m in row["media"]]
    return closed


def _write(data: Path, rows: list[Row], file: str = _FILE) -> None:
    """The rows as a file of their own, in whatever types they are of."""
    pq.write_table(pa.Table.from_pylist([_closed(row) for row in rows]), data / "samples" / file)


def _run(folder: Path, data: Path, words: list[str]) -> tuple[int | None, str]:
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    places = {"SET": str(data), "OUT": str(out)}
    return invoke([places.get(word, word) for word in words])


def _judged(came: tuple[int | None, str], unharmed: tuple[int | None, str], field: str) -> str:
    code, text = came
    if code is None:
        return "traceback"
    named = _FILE in text and field in text
    return "" if named or came == unharmed else "silent"
