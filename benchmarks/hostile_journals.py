"""Work that was stopped, and a file of it that is harmed before the same command goes on.

`make`, `render` and `curate` are killed in the middle, and an evaluation has half of its answers.
Then every file that lies there is deleted, cut, zeroed or exchanged for another (`harm.py`). What
may come of it is the very bytes of the unharmed result, or a message that names the file.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import harm, killed
from benchmarks.harm import Case, contents, invoke
from benchmarks.hostile_replies import http, server
from kuleshov import journal
from kuleshov.clips import write_clips
from kuleshov.evaluate.results import load_results
from kuleshov.rendered import shards

VIDEOS = 20
RECIPE = """\
make:
  tasks:
    anomaly: {min_pixels: 1024, max_pixels: 1024, kinds: [zoom_in]}
"""
KILLED: dict[str, tuple[str, ...]] = {
    "make early": ("0.3", "make", "VIDEOS", "-o", "OUT", "--task", "anomaly", "--task", "jigsaw"),
    "make late": ("0.8", "make", "VIDEOS", "-o", "OUT", "--task", "anomaly", "--task", "jigsaw"),
    "render to parquet": ("0.6", "render", "SET", "-o", "OUT"),
    "render to tar": ("0.6", "render", "SET", "-o", "OUT", "--format", "tar"),
    "render to mp4": ("0.4", "render", "SET", "-o", "OUT", "--format", "mp4"),
}
"""By name: at which share of its touches of the disk it is killed, and the command."""
_REPLY = {
    "caption": "A light flashes twice and then a ball rolls to the left.",
    "questions": [{"question": "How many times does the light flash?", "answer": "Twice"}],
}
_OUT = "OUT"
_WORKERS = ("--workers", "0")


def tries(folder: Path) -> Iterator[tuple[str, str]]:
    """(what was tried, "" or what is wrong with what came of it: "traceback" or "silent").

    Args:
        folder: to work in.
    """
    write_clips(folder / "VIDEOS", VIDEOS, seed=3, seconds=4)
    (folder / "RECIPE").write_text(RECIPE)
    invoke(_words(folder, ("make", "VIDEOS", "-o", "SET", "--config", "RECIPE")))
    with _small_parts():
        for name in KILLED:
            yield from harm.tries(_stopped(folder, name))
        yield from harm.tries(_evaluation(folder))
    with server() as (address, sent):
        choice = {"index": 0, "message": {"role": "assistant", "content": json.dumps(_REPLY)}}
        sent[:] = [http(json.dumps({"choices": [{**choice, "finish_reason": "stop"}]}).encode())]
        yield from harm.tries(_curation(folder, address))


@contextmanager
def _small_parts() -> Iterator[None]:
    """Those of `killed`, so that what it left is gone on with."""
    before = journal.PART, shards.SHARD
    journal.PART, shards.SHARD = killed.PART, killed.SHARD
    try:
        yield
    finally:
        journal.PART, shards.SHARD = before


def _stopped(folder: Path, name: str) -> Case:
    """A command that was killed."""
    share, *words = KILLED[name]
    words, out, state = _words(folder, words), folder / _OUT, folder / f"stopped {name}"
    shutil.rmtree(out, ignore_errors=True)
    touches = int(_run(words, 0).split()[-1])
    shutil.rmtree(out)
    _run(words, int(float(share) * touches))
    out.rename(state)
    return Case(name, state, words, out, partial(contents, out))


def _run(words: list[str], touch: int) -> str:
    """A command in a process of its own, which is killed at a touch of the disk."""
    command = [sys.executable, "-m", "benchmarks.killed", str(touch), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _words(folder: Path, words: tuple[str, ...] | list[str]) -> list[str]:
    """With the names in capitals as paths."""
    paths = [str(folder / word) if word.isupper() else word for word in words]
    return [*paths, *_WORKERS] if words[0] in ("make", "render") else paths


def _evaluation(folder: Path) -> Case:
    """Half of the answers of a policy."""
    words = _words(folder, ("eval", "policy:random", "SET", "-o", _OUT))
    out, state = folder / _OUT, folder / "stopped eval"
    shutil.rmtree(out)
    invoke(words)
    lines = (out / "results.jsonl").read_text().splitlines(keepends=True)
    (out / "results.jsonl").write_text("".join(lines[: len(lines) // 2]))
    out.rename(state)

    def answers() -> list[str]:
        return sorted(map(repr, load_results(out)))

    return Case("eval", state, words, out, answers)


def _curation(folder: Path, address: str) -> Case:
    """The replies of an endpoint, and no rows of them yet."""
    clips = folder / "CLIPS" / "light_flash"
    clips.mkdir(parents=True)
    for path in sorted((folder / "VIDEOS").iterdir())[:3]:
        shutil.copy(path, clips / f"{path.stem}.avi")
    told = ("--layout", "hmdb51", "--endpoint", address, "--model-name", "m", "--rule", "frames")
    words, out = _words(folder, ("curate", "CLIPS", "-o", _OUT, *told)), folder / _OUT
    shutil.rmtree(out)
    invoke(words)
    made = ("rows.jsonl", "rejected.jsonl", "summary.json")
    for name in made:
        (out / name).unlink()
    state = folder / "stopped curate"
    out.rename(state)
    return Case("curate", state, words, out, lambda: [(out / name).read_bytes() for name in made])
