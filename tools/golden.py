"""Does another tree of the project write the same? Hashes of what must stay as it is.

    python tools/golden.py TREE NEW.json [--videos FOLDER] [--only sets]
    python tools/golden.py TREE NEW.json --against OLD.json
    python tools/golden.py TREE --plant

The first runs the commands of the checkout TREE on small inputs, with one thread, in one fixed
folder, as some ids hold paths, and writes down a hash of each result. With --against those of
another tree are compared, and the exit code is 1 where one differs; both must come from the same
machine, as the losses of another one differ. With --plant, a copy of the tree is changed in an
id, a pixel and a loss, each of which must be noticed.

What is compared: procedural clips; samples and skips of all tasks in both settings, on them and on
the videos in FOLDER; rendered files; imported benchmarks; checks; five losses of the cold start and
of GRPO for each family of tiny models; evaluations; a report; a small demo. Times, versions, places
and the words on pages are not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

WORK = Path(tempfile.gettempdir()) / "kuleshov-golden"
FAMILIES = ("qwen2_5_vl", "qwen3_vl", "internvl")
TASKS = (
    *("anomaly", "appearance", "arrow", "counting", "jigsaw", "masked"),
    *("odd_clip", "speed", "text_frames", "text_order", "turned"),
)
SMALL = {
    "num_frames": 8,
    "min_frames": 8,
    "min_pixels": 3136,
    "max_pixels": 3136,
    "size_multiple": 28,
}
"""Samples that train in seconds, of the tasks that the demo has."""

# Where modules lie in one tree and the other.
PLACES = {
    "clips": ("kuleshov.clips", "kuleshov.demo.clips"),
    "tiny": ("kuleshov.train.tiny", "kuleshov.models.tiny"),
    "miniatures": (
        "tests.evaluate.adapters.miniatures",
        "tests.benchmarks.miniatures",
        "tests.benchmarks.adapters.miniatures",
    ),
}
# What differs between two runs of one tree.
_CHANGING = {"versions", "seconds", "path", "paths", "key"}
# Of what training logs: the rest is time and memory.
_LINES = {"reward", "reward_std", "loss", "objective", "kl", "entropy", "grad_norm"}
# Places, times and words; not results.
_SKIPPED = {"environment.json", "README.md", "training_args.bin", "trained_on.json", "check.html"}

PLANTS = {
    "an id": (
        "state = blake2b(digest_size=16)\n    for part in key",
        "state = blake2b(digest_size=15)\n    for part in key",
        "sets",
    ),
    "a pixel": (
        'Image.fromarray(pixels).save(file, "jpeg"',
        'Image.fromarray(pixels ^ 1).save(file, "jpeg"',
        "rendered",
    ),
    "a loss": ("_INIT = 0.08", "_INIT = 0.0801", "losses"),
}
"""What was changed: (text, in its place, the part that must notice)."""


class Tree:
    """A checkout whose commands are run.

    Args:
        root: of the checkout.
        work: the folder to work in.
        videos: real ones, or None.
    """

    def __init__(self, root: Path, work: Path, videos: Path | None) -> None:
        self.root, self.work, self.videos = root.resolve(), work, videos
        self.environment = {
            **os.environ,
            **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
            "PYTHONPATH": str(self.root),
            "PYTHONHASHSEED": "0",
            "KULESHOV_CACHE": str(work / "cache"),
            "CUDA_VISIBLE_DEVICES": "",
            "COLUMNS": "200",
        }

    def kuleshov(self, *command: str, code: int = 0) -> None:
        """Run a command of the tree in the folder to work in."""
        self._run([sys.executable, "-m", "kuleshov", *command], (0, code))

    def call(self, place: str, code: str) -> None:
        """Run lines of Python with the module of a place as `it`."""
        names = PLACES[place]
        found = f"""
import importlib
from pathlib import Path
for name in {names!r}:
    try:
        it = importlib.import_module(name)
        break
    except ModuleNotFoundError as error:
        if error.name and not name.startswith(error.name):
            raise
else:
    raise SystemExit("none of {names!r} is there: tell tools/golden.py its new name")
"""
        self._run([sys.executable, "-c", found + code], (0,))

    def _run(self, command: list[str], allowed: tuple[int, ...]) -> None:
        done = subprocess.run(
            command, cwd=self.work, env=self.environment, capture_output=True, text=True
        )
        if done.returncode not in allowed:
            said = f"{done.stdout[-800:]}{done.stderr[-2000:]}"
            raise SystemExit(f"{' '.join(command)[-400:]}\n{said}")


Part = Callable[[Tree], Iterator[tuple[str, Any]]]
"""Of a tree: the names of results and what they are: files, folders or values."""


def clips(tree: Tree) -> Iterator[tuple[str, Any]]:
    tree.call("clips", "it.write_clips(Path('clips'), 16, 3, 4.0)")
    yield "clips", tree.work / "clips"


def sets(tree: Tree) -> Iterator[tuple[str, Any]]:
    where = {"clips": tree.work / "clips", "videos": tree.videos}
    for setting in ("default", "paper"):
        for name, videos in where.items():
            if videos is not None:
                chosen = [word for task in TASKS for word in ("--task", task)]
                out = f"set-{name}-{setting}"
                make = ("make", str(videos), "-o", out, "--setting", setting, *chosen)
                tree.kuleshov(*make, "--held-out", "0.3", "--seed", "7", "--workers", "2")
                yield out, tree.work / out


def rendered(tree: Tree) -> Iterator[tuple[str, Any]]:
    for kind in ("parquet", "tar"):
        out = f"rendered-{kind}"
        share = ("--left-out-share", "1")
        tree.kuleshov("render", "set-clips-default", "-o", out, "--format", kind, *share)
        yield out, tree.work / out


def benchmarks(tree: Tree) -> Iterator[tuple[str, Any]]:
    tree.call("miniatures", "[make(Path('of') / name) for name, make in it.MINIATURES.items()]")
    for folder in sorted((tree.work / "of").iterdir()):
        judged = ("--judged",) if folder.name.startswith("vru") else ()
        out = f"benchmark-{folder.name}"
        tree.kuleshov("benchmark", folder.name, f"of/{folder.name}", "-o", out, *judged)
        yield out, tree.work / out


def checked(tree: Tree) -> Iterator[tuple[str, Any]]:
    tree.kuleshov("check", "set-clips-default", "--samples", "40", code=1)
    tree.kuleshov("eval", "policy:best_constant", "set-clips-default", "-o", "floor")
    yield "floor", tree.work / "floor"


def losses(tree: Tree) -> Iterator[tuple[str, Any]]:
    recipe = {
        "make": {
            "tasks": {
                "counting": {**SMALL, "max_frames": 2, "max_instances": 2, "min_gap": 1},
                "jigsaw": {**SMALL, "num_clips": 4},
            },
            "held_out": 0.3,
            "near_duplicates": None,
        },
        "train": {
            "sft": {"steps": 5, "batch_size": 4},
            "grpo": {
                **{"steps": 5, "prompts_per_step": 2, "group_size": 4, "temperature": 1.0},
                "max_completion_tokens": 12,
            },
        },
        "eval": {"batch_size": 16, "max_completion_tokens": 12},
    }
    (tree.work / "small.yaml").write_text(json.dumps(recipe))
    tree.kuleshov("make", "clips", "-o", "small", "--config", "small.yaml")
    for family in FAMILIES:
        texts = "['How many shapes are there?', 'In which order are the clips? 0123456789']"
        tree.call("tiny", f"it.build(Path('tiny-{family}'), {texts}, {family!r}, 0)")
        run = ("small", "-o", f"run-{family}", "--config", "small.yaml")
        tree.kuleshov("train", *run, "--model", f"tiny-{family}")
        yield f"losses-{family}", tree.work / f"run-{family}"
        model = f"run-{family}/model"
        tree.kuleshov("eval", model, "small", "-o", f"after-{family}", "--config", "small.yaml")
        yield f"answers-{family}", tree.work / f"after-{family}"


def report(tree: Tree) -> Iterator[tuple[str, Any]]:
    family = FAMILIES[0]
    before = (f"tiny-{family}", "small", "-o", "before", "--config", "small.yaml")
    tree.kuleshov("eval", *before)
    tree.kuleshov("report", "before", f"run-{family}", f"after-{family}", "-o", "report")
    yield "report", next((tree.work / "report").glob("*.json"))


def demo(tree: Tree) -> Iterator[tuple[str, Any]]:
    import yaml

    recipe = yaml.safe_load((tree.root / "recipes" / "demo.yaml").read_text())
    recipe["demo"]["num_clips"] = 40
    recipe["make"]["held_out"] = 0.3
    recipe["train"]["sft"] |= {"steps": 6, "curriculum": {"jigsaw": 2}, "warmup_steps": 2}
    recipe["train"]["grpo"]["steps"] = 2
    (tree.work / "demo.yaml").write_text(yaml.safe_dump(recipe))
    tree.kuleshov("demo", "-o", "demo", "--config", "demo.yaml")
    yield "demo", tree.work / "demo" / "result.json"


PARTS: dict[str, Part] = {
    "clips": clips,
    "sets": sets,
    "rendered": rendered,
    "benchmarks": benchmarks,
    "checked": checked,
    "losses": losses,
    "report": report,
    "demo": demo,
}
"""In order; later parts read what `clips` and `sets` write, and `report` what `losses` does."""
NEEDS = {
    "sets": ("clips",),
    "rendered": ("clips", "sets"),
    "checked": ("clips", "sets"),
    "losses": ("clips",),
    "report": ("clips", "losses"),
}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tree", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--against", type=Path, help="what another tree wrote")
    parser.add_argument("--videos", type=Path, help="a folder of real videos")
    parser.add_argument("--only", choices=PARTS, action="append", help="parts, with what they need")
    parser.add_argument("--plant", action="store_true", help="changes that must be noticed")
    options = parser.parse_args()
    if options.plant:
        print(json.dumps(planted(options.tree)))
        return
    found = run(options.tree, options.only or list(PARTS), options.videos)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    differing = []
    if options.against:
        old = json.loads(options.against.read_text())
        differing = sorted(name for name in old.keys() | found if old.get(name) != found.get(name))
    print(json.dumps({"results": len(found), "differing": differing}))
    sys.exit(bool(differing))


def run(root: Path, parts: list[str], videos: Path | None = None) -> dict[str, str]:
    """The hashes of a tree's results."""
    wanted = {*parts, *(need for part in parts for need in NEEDS.get(part, ()))}
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    tree = Tree(root, WORK, videos and videos.resolve())
    found: dict[str, str] = {}
    for part, results in PARTS.items():
        if part in wanted:
            for name, result in results(tree):
                found |= hashes(name, result)
            print(part, len(found), file=sys.stderr, flush=True)
    return found


def planted(root: Path) -> dict[str, bool]:
    """Whether each change is noticed."""
    noticed = {}
    before: dict[str, dict[str, str]] = {}
    for change, (text, other, part) in PLANTS.items():
        before[part] = before.get(part) or run(root, [part])
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "tree"
            shutil.copytree(root, copy, ignore=shutil.ignore_patterns(".*", "build"))
            files = [f for f in copy.glob("kuleshov/**/*.py") if text in f.read_text()]
            if len(files) != 1:
                raise SystemExit(f"{text!r} is in {len(files)} files: tell tools/golden.py")
            files[0].write_text(files[0].read_text().replace(text, other))
            noticed[change] = run(copy, [part]) != before[part]
    return noticed


def hashes(name: str, result: Any) -> dict[str, str]:
    """The hash of a file, or of each file in a folder, without what may change."""
    if result.is_file():
        return {name: _hash(_content(result))}
    # TensorBoard's files, and what is not finished, have names of their own each time.
    files = sorted(
        path
        for path in result.rglob("*")
        if path.is_file() and not path.name.startswith((".", "events.out"))
    )
    return {
        f"{name}/{path.relative_to(result).as_posix()}": _hash(_content(path))
        for path in files
        if path.name not in _SKIPPED and "check_files" not in path.parts
    }


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=12).hexdigest()


def _content(path: Path) -> bytes:
    if path.suffix == ".json":
        return _dump(_kept(json.loads(path.read_text())))
    if path.name == "metrics.jsonl":
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return b"\n".join(_dump({k: v for k, v in line.items() if k in _LINES}) for line in lines)
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return b"\n".join(_dump(_kept(line)) for line in lines)
    if path.suffix == ".parquet" and path.parent.name == "samples":
        import pyarrow.parquet as pq

        rows = pq.read_table(path).to_pylist()
        for row in rows:
            row["provenance"] = _kept(json.loads(row["provenance"]))
        return b"\n".join(map(_dump, rows))
    return path.read_bytes()


def _dump(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, default=str).encode()


def _kept(value: Any) -> Any:
    """A value without what differs between two runs of one tree, or is a label."""
    if isinstance(value, Mapping):
        return {k: _kept(v) for k, v in value.items() if k not in _CHANGING}
    return [_kept(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
