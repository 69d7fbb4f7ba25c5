"""Finished sets, and a file of them that is harmed before a command opens them.

Every file of a set of samples, of a frozen one and of a rendered set in each format is deleted,
cut, zeroed or exchanged for another (`harm.py`), and then the set is checked, viewed, rendered and
evaluated, or the command that made it is given again. What may come of it is what comes of the
unharmed set, or a message that names the file.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import harm
from benchmarks.harm import Case, contents, invoke
from kuleshov import dataset
from kuleshov.clips import write_clips
from kuleshov.evaluate.results import load_results
from kuleshov.owned import MARK
from kuleshov.rendered import formats, shards

VIDEOS = 8
MAKE = ("make", "VIDEOS", "-o", "SET", "--config", "RECIPE", "--workers", "0")
RECIPE = """\
make:
  held_out: 0.5
  tasks:
    anomaly: {min_pixels: 1024, max_pixels: 1024, kinds: [zoom_in]}
    arrow: {min_pixels: 1024, max_pixels: 1024}
"""
OPENED: dict[str, tuple[str, ...]] = {
    "check": ("check", "SET"),
    "view": ("view", "SET", "-o", "MADE", "--workers", "0"),
    "render": ("render", "SET", "-o", "MADE", "--workers", "0"),
    "eval": ("eval", "policy:random", "SET", "-o", "MADE"),
    "eval, frozen": ("eval", "policy:random", "SET", "-o", "MADE"),
    "make again": MAKE,
}
"""What is done with a set, by name."""
_PROSE = ("README.md",)


def tries(folder: Path) -> Iterator[tuple[str, str]]:
    """(what was tried, "" or what is wrong with what came of it: "traceback" or "silent").

    Args:
        folder: to work in.
    """
    write_clips(folder / "VIDEOS", VIDEOS, seed=3, seconds=4)
    (folder / "RECIPE").write_text(RECIPE)
    place = folder / "SET"
    with _small_shards():
        invoke(_words(folder, MAKE))
        invoke(_words(folder, ("check", "SET")))  # its page is there, before and after
        whole = place.rename(folder / "whole")
        for name in OPENED:
            yield from harm.tries(_of_set(folder, name, whole))
        harm.copy(whole, place)
        for name in formats.FORMATS:
            for case in _of_rendered(folder, name):
                yield from harm.tries(case)


@contextmanager
def _small_shards() -> Iterator[None]:
    """Several in each split."""
    before = dataset._ROWS_PER_FILE, dataset._ROWS_PER_GROUP, shards.SHARD
    dataset._ROWS_PER_FILE = dataset._ROWS_PER_GROUP = shards.SHARD = 4
    try:
        yield
    finally:
        dataset._ROWS_PER_FILE, dataset._ROWS_PER_GROUP, shards.SHARD = before


def _of_set(folder: Path, name: str, whole: Path) -> Case:
    place, made = folder / "SET", folder / "MADE"
    state = whole
    left_out: tuple[str, ...] = (*_PROSE, "check.html")
    if name == "eval, frozen":
        harm.copy(whole, place)
        invoke(["freeze", str(place)])
        # Without its manifest a set is not frozen, which is how it is taken for another again.
        state, left_out = place.rename(folder / "frozen"), (*left_out, dataset.FROZEN)
    results: dict[str, Any] = {
        "check": (place / "check.html").read_bytes,
        "view": partial(contents, made),
        "render": partial(contents, made),
        "make again": partial(_read, place),
    }
    result = results.get(name, lambda: load_results(made))
    if name == "make again":
        # Without its mark it is a set of somebody who wrote down less, and needs --overwrite.
        return Case(
            name, state, _words(folder, OPENED[name]), place, result, None, (*left_out, MARK)
        )
    return Case(name, state, _words(folder, OPENED[name]), place, result, made, left_out)


def _of_rendered(folder: Path, name: str) -> Iterator[Case]:
    place, state = folder / "RENDERED", folder / f"whole {name}"
    words = _words(folder, ("render", "SET", "-o", "RENDERED", "--format", name, "--workers", "0"))
    shutil.rmtree(place, ignore_errors=True)
    invoke(words)
    place.rename(state)
    yield Case(f"{name} again", state, words, place, partial(_read, place), None, _PROSE)
    if name != "mp4":
        words = _words(folder, ("check", "SET", "--rendered", "RENDERED"))
        page = folder / "SET" / "check.html"
        left_out = (*_PROSE, "skips.jsonl")
        yield Case(f"check of {name}", state, words, place, page.read_bytes, None, left_out)


def _read(place: Path) -> dict[str, Any]:
    """What a set holds; what is JSON says the same without its last line break."""
    found: dict[str, Any] = contents(place)
    return {**found, **{name: json.loads(found[name]) for name in (MARK, "summary.json")}}


def _words(folder: Path, words: tuple[str, ...]) -> list[str]:
    """With the names in capitals as paths."""
    return [str(folder / word) if word.isupper() else word for word in words]
