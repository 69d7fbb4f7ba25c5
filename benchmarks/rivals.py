"""Start commands against each other in one folder, and at folders that are not ours.

    python -m benchmarks.rivals [--quick] [--seed 0]

A trial starts a command twice: the same one, or two that differ in their seed, model, quality or
name; together, or one a moment after the other; in some the first is killed in its middle. What is
there in the end has to be byte for byte what one of those that ended well writes alone. Two that
share `KULESHOV_CACHE` have to write what each does alone. Last, every command is pointed at every
kind of folder that is not ours, which is compared by hash before and after.

Processes are forked off this one, which has imported what they need.

Prints one JSON line last:
    trials     pairs of commands, and commands pointed at a folder
    corrupt    the folder cannot be read in the end, or has what no run alone writes
    mixed      it has parts of both
    silent     a command ended neither well with its own result there, nor with words, nor killed
    destroyed  folders that are not ours and are not as they were
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import NamedTuple

from benchmarks.soak import look
from kuleshov.clips import write_clips
from kuleshov.errors import KuleshovError

KILLED, BROKEN = -signal.SIGKILL, 99


class Pair(NamedTuple):
    """Two commands that write in one folder, `{out}`; `{in}` is where all else lies.

    Args:
        one: arguments.
        other: of the rival; the same for the same command twice.
        trials: how many, in a full run.
        prepared: a folder that `{out}` is a copy of in the beginning.
        looked_at: globs of what is compared; what tells the time is not.
    """

    one: str
    other: str
    trials: int
    prepared: str | None = None
    looked_at: tuple[str, ...] = ("**/*",)


_MAKE = "make {in}/videos -o {out} --task jigsaw --task counting --workers 0"
_SMALL = " ".join(
    f"--set tasks.{task}.{knob}"
    for task in ("jigsaw", "counting")
    for knob in ("size_multiple=28", "min_pixels=3136", "max_pixels=3136")
)
"""As the tiny model takes frames."""
_RENDER = "render {in}/set -o {out} --workers 0"
_FREEZE = "freeze {out} --samples 2 --name"
_TRAIN = (
    "train {in}/set --model {in}/tiny -o {out} --set sft.steps=1 --set sft.batch_size=2 "
    "--set grpo.steps=0 --seed"
)
_EVAL = "eval {in}/tiny {in}/set -o {out} --set conditions=[full] --set max_completion_tokens=4"
_MODEL = ("model/*.safetensors", "sft/model/*.safetensors")

PAIRS = {
    "make": Pair(_MAKE, _MAKE, 50),
    "make, two seeds": Pair(_MAKE, f"{_MAKE} --seed 1", 40),
    "render": Pair(_RENDER, _RENDER, 30),
    "render, two qualities": Pair(_RENDER, f"{_RENDER} --quality 50", 30),
    "freeze": Pair(f"{_FREEZE} a", f"{_FREEZE} a", 10, "set"),
    "freeze, two names": Pair(f"{_FREEZE} a", f"{_FREEZE} b", 10, "set"),
    "eval of floors": Pair(
        "eval policy:random {in}/set -o {out}", "eval policy:majority {in}/set -o {out}", 20
    ),
    "eval, two models": Pair(_EVAL, _EVAL.replace("{in}/tiny", "{in}/other"), 6),
    "train, two seeds": Pair(f"{_TRAIN} 0", f"{_TRAIN} 1", 4, None, _MODEL),
    "train": Pair(f"{_TRAIN} 0", f"{_TRAIN} 0", 3, None, _MODEL),
}
CACHED = "make {in}/videos -o {out} --task masked --workers 0 --seed"
CACHED_TRIALS = 10

AT = {
    "make": "make {in}/videos -o {out} --task jigsaw --workers 0",
    "make --overwrite": "make {in}/videos -o {out} --task jigsaw --workers 0 --overwrite",
    "import": "import {in}/rows.parquet -o {out} --frames {in}/videos",
    "benchmark": "benchmark mvbench {in}/videos -o {out}",
    "check": "check {out}",
    "check --drop": "check {in}/set --samples 1 --drop {out}",
    "view": "view {in}/set -o {out} --sheets 0 --workers 0",
    "view OUT": "view {out} --sheets 0 --workers 0",
    "pairs": "pairs {out}",
    "pairs --into": "pairs {in}/set --into {out}",
    "pairs -o": "pairs {in}/set -o {out}",
    "curate": "curate {in}/videos -o {out} --layout video_r1 --annotation {in}/r1.json",
    "render": "render {in}/set -o {out} --workers 0",
    "render OUT": "render {out} -o {out}/rendered --workers 0",
    "train": "train {in}/set --model {in}/tiny -o {out}",
    "eval": "eval policy:random {in}/set -o {out}",
    "freeze": "freeze {out}",
    "report": "report {in}/run -o {out}",
    "report page": "report {in}/run -o {out}/x.html --sheets 0",
    "demo": "demo -o {out}",
    "demo VIDEOS": "demo {in}/videos -o {out}",
    "plan": "plan --model {out}",
    "preflight": "preflight {in}/tiny {out}",
}
"""Every command that takes a folder, pointed at one."""

FOREIGN: dict[str, dict[str, str]] = {
    "notes": {"notes.txt": "mine"},
    "a project": {"README.md": "# mine", "config.yaml": "a: 1", "src/main.py": "print()"},
    "a repository": {".git/HEAD": "ref: x", "README.md": "# mine", "x.html": "mine"},
    "hidden files": {".bashrc": "alias"},
    "photos": {"2024/a.jpg": "jpg", "2024/b.jpg": "jpg"},
    "videos": {"a.mp4": "mp4", "b/c.mp4": "mp4"},
    "clips": {"clips/clip-0000.mp4": "mine", "result.json": "{}"},
    "a model": {"config.json": "{}", "model.safetensors": "weights", "README.md": "card"},
    "a checkpoint": {"checkpoints/checkpoint-1/optimizer.pt": "state", "whole": ""},
    "a notebook": {"a.ipynb": "{}", ".ipynb_checkpoints/a.ipynb": "{}"},
    "a site": {"index.html": "mine", "data/x.js": "x", "x.json": "{}"},
    "a report of another": {"index.html": "mine", "report.json": "{}", "report.md": "mine"},
    "a page": {"x.html": "<title>mine</title>", "x.md": "mine", "x.tex": "mine", "x.json": "{}"},
    "files of a page": {"x_files/data.csv": "1", "x_files/mine.txt": "mine"},
    "a summary": {"summary.json": '{"samples": 3}', "skips.jsonl": ""},
    "rows": {"rows.jsonl": "{}", "summary.json": "{}"},
    "samples of another": {"samples/train-00000.parquet": "mine", "config.yaml": "lr: 1"},
    "results": {"results.jsonl": "{}", "config.yaml": "lr: 1", "metrics.jsonl": "{}"},
    "an environment": {"environment.json": '{"python": 3}', "results.jsonl": "{}"},
    "settings": {"settings.txt": "mine", "samples/a": "mine", "train/model/a": "mine"},
    "a work folder": {".making/mine": "mine", ".rendering/mine": "mine"},
    "a manifest": {"bench.json": '{"format": 1}', "a.txt": "mine"},
    "a thesis": {"thesis.tex": "mine", "figures/a.pdf": "mine", "report.tex": "mine"},
    "a mark of another kind": {".kuleshov": '{"kind": "other", "version": 1}', "a": "mine"},
    "a mark of a later version": {".kuleshov": '{"kind": "samples", "version": 9}', "a": "mine"},
    "a broken mark": {".kuleshov": "{", "a": "mine"},
    "a folder as mark": {".kuleshov/a": "mine"},
}
"""Kinds of folders that are not ours: their files."""


class Rivals:
    """Trials and what came of them.

    Args:
        folder: an empty one to work in.
        seed: of all that is random.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.rng, self.numbers = folder, random.Random(seed), count()
        self.found = Counter(trials=0, corrupt=0, mixed=0, silent=0, destroyed=0)
        self.alone: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}
        self.seconds: dict[str, float] = {}

    def prepare(self) -> None:
        """Everything that the commands read."""
        write_clips(self.folder / "videos", 3, 0, seconds=9)
        (self.folder / "r1.json").write_text("[]")
        (self.folder / "rows.parquet").write_bytes(b"no table")
        self.well(f"{_MAKE} --held-out 0.5 {_SMALL}", self.folder / "set")
        self.well("eval policy:random {in}/set -o {out}", self.folder / "run")
        for seed, name in enumerate(("tiny", "other")):
            process = fork(partial(_tiny, self.folder, name, seed), self.folder / "log")
            assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0

    def start(self, command: str, out: Path, log: Path | None = None) -> int:
        """A command in a process of its own; returns its number."""
        filled = command.format(**{"in": self.folder, "out": out}).split()
        return fork(lambda: _command(filled), log or out.with_suffix(".log"))

    def well(self, command: str, out: Path) -> None:
        """A command alone."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.start(command, out), 0)[1])
        if code:
            sys.exit(f"{command}: {code}: {out.with_suffix('.log').read_text()}")

    def new(self, prepared: str | None) -> Path:
        out = self.folder / "out" / f"{next(self.numbers):04}" / "out"
        out.parent.mkdir(parents=True)
        if prepared is not None:
            shutil.copytree(self.folder / prepared, out)
        return out

    def reference(self, command: str, pair: Pair) -> dict[str, str]:
        """What a command writes alone."""
        key = command, pair.looked_at
        if key not in self.alone:
            out, started = self.new(pair.prepared), time.monotonic()
            self.well(command, out)
            self.seconds[command] = time.monotonic() - started
            self.alone[key] = contents(out, pair.looked_at)
        return self.alone[key]

    def trial(self, name: str, pair: Pair, kill: bool, together: bool) -> None:
        """Two at once in one folder."""
        commands = [pair.one, pair.other]
        self.rng.shuffle(commands)
        alone = [self.reference(command, pair) for command in commands]
        takes, out = self.seconds[commands[0]], self.new(pair.prepared)
        logs = [out.with_name(f"{i}.log") for i in (0, 1)]
        first = self.start(commands[0], out, logs[0])
        if not together:
            time.sleep(self.rng.uniform(0, 1.2 * takes))
        second = self.start(commands[1], out, logs[1])
        if kill:
            time.sleep(self.rng.uniform(0, takes))
            os.kill(first, signal.SIGKILL)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in (first, second)]
        finished = [i for i, code in enumerate(codes) if code == 0]
        # After a kill, the same command goes on; the other one does not, if the set was finished.
        for i in () if finished else (1, 0):
            process = self.start(commands[i], out, logs[i])
            if not os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
                finished = [i]
                break
        self.found["trials"] += 1
        broken = [c for c in codes if c not in (0, 2, *((KILLED,) if kill else ()))]
        try:
            look(out)
            here = contents(out, pair.looked_at)
        except (OSError, ValueError) as error:
            return self.bad("corrupt", name, codes, repr(error), logs)
        right = [i for i in finished if here == alone[i]]
        if broken or not finished or (len(right) < len(finished) and right):
            return self.bad("silent", name, codes, "an exit code without its result", logs)
        if not right:
            parts = [any(here.get(k) == v for k, v in a.items()) for a in alone]
            kind = "mixed" if all(parts) and alone[0] != alone[1] else "corrupt"
            return self.bad(kind, name, codes, difference(here, alone[finished[-1]]), logs)
        shutil.rmtree(out.parent)
        return None

    def cached(self) -> None:
        """Two in folders of their own with one cache."""
        pair = Pair(CACHED, CACHED, 0)
        os.environ["KULESHOV_CACHE"] = str(self.folder / "cache-alone")
        alone = [self.reference(f"{CACHED} {seed}", pair) for seed in (0, 1)]
        os.environ["KULESHOV_CACHE"] = str(self.folder / f"cache-{next(self.numbers)}")
        outs = [self.new(None) for _ in alone]
        started = [self.start(f"{CACHED} {seed}", out) for seed, out in enumerate(outs)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in started]
        self.found["trials"] += 1
        if any(codes) or [contents(out, pair.looked_at) for out in outs] != alone:
            self.bad("corrupt", "cache", codes, "", [out.with_suffix(".log") for out in outs])

    def foreign(self, kind: str, command: str) -> None:
        """A command pointed at a folder that is not ours."""
        out = self.new(None)
        for name, text in FOREIGN[kind].items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        before, log = contents(out, ("**/*",)), out.with_name("log")
        process = self.start(AT[command], out, log)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        self.found["trials"] += 1
        after = contents(out, ("**/*",))
        # A page or folder of its own beside what is there harms nothing.
        new = {"rendered", "x.html", "x.json", "x.md", "x.tex", "x_files"}
        if any(after.get(k) != v for k, v in before.items()) or any(
            k.split("/")[0] not in new for k in after.keys() - before.keys()
        ):
            self.bad("destroyed", f"{command} at {kind}", [code], difference(after, before), [log])
        elif code not in (0, 2):
            self.bad("silent", f"{command} at {kind}", [code], "", [log])
        shutil.rmtree(out.parent)

    def bad(self, what: str, name: str, codes: list[int], why: str, logs: list[Path]) -> None:
        self.found[what] += 1
        told = " | ".join(log.read_text()[-600:] for log in logs if log.exists())
        print(f"{what}: {name}: {codes}: {why}: {told}", file=sys.stderr, flush=True)


def fork(work: Callable[[], int], log: Path) -> int:
    """Run in a process of its own, which prints to a file."""
    sys.stdout.flush()
    if process := os.fork():
        return process
    code = BROKEN
    try:
        file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        code = work()
    except BaseException:  # whatever it is, it is no error in words
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _command(arguments: list[str]) -> int:
    from kuleshov.cli import app

    sys.argv = ["kuleshov", *arguments]
    try:
        code = app(arguments, standalone_mode=False)
    except KuleshovError as error:
        print(error)
        return 2
    return code if isinstance(code, int) else 0


def _tiny(folder: Path, name: str, seed: int) -> int:
    from kuleshov.dataset import load_samples
    from kuleshov.train import tiny

    prompts = [sample.prompt for sample in load_samples(folder / "set")]
    tiny.build(folder / name, prompts, "qwen2_5_vl", seed)
    return 0


def contents(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """Every file, and folder, by its hash."""
    return {
        path.relative_to(folder).as_posix(): (
            blake2b(path.read_bytes(), digest_size=16).hexdigest() if path.is_file() else "folder"
        )
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
    }


def difference(here: dict[str, str], wanted: dict[str, str]) -> str:
    """The names that differ."""
    return ", ".join(k for k in sorted({**here, **wanted}) if here.get(k) != wanted.get(k))


def rivals(folder: Path, seed: int, quick: bool) -> dict[str, int]:
    """All trials; returns the figures.

    Args:
        folder: an empty one.
        seed: of all that is random.
        quick: one trial in ten, and without training or models.
    """
    trials = Rivals(folder, seed)
    trials.prepare()
    for name, pair in PAIRS.items():
        if quick and ("train" in name or "models" in name):
            continue
        for i in range(max(1, pair.trials // 10) if quick else pair.trials):
            trials.trial(name, pair, kill=i % 3 == 2, together=i % 2 == 0)
        print(f"{name}: {dict(trials.found)}", file=sys.stderr, flush=True)
    for _ in range(1 if quick else CACHED_TRIALS):
        trials.cached()
    for i, kind in enumerate(FOREIGN):
        for j, command in enumerate(AT):
            if not quick or (i + j) % 10 == 0:
                trials.foreign(kind, command)
    return dict(trials.found)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # Imported once, before processes are forked off.
    import kuleshov.evaluate.runner
    import kuleshov.train.pipeline  # noqa: F401

    with tempfile.TemporaryDirectory() as folder:
        found = rivals(Path(folder), options.seed, options.quick)
    print(json.dumps(found))
    sys.exit(any(value for key, value in found.items() if key != "trials"))


if __name__ == "__main__":
    main()
