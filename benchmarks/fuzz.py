"""Damaged copies of real clips through `make` and `render`: nothing may die, hang or be lost.

    sources ─► mutated files ─► make, all tasks ─► render ─► counts
               in batches       Sample | Skip      in watched processes

A process that dies is survived and blamed on its file by design, but it must not happen: the last
line that is printed counts such deaths (with every exception that is not one of ours) as crashes,
work that is stopped by the time limit as hangs, and files by whether they gave a sample. Files
that crashed or hung are kept in build/fuzz.

    python -m benchmarks.fuzz [VIDEOS] [--files 1000] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.mutations import mutate
from kuleshov.dataset import load_samples, load_skips
from kuleshov.errors import KuleshovError, UnreadableVideoError, UsageError
from kuleshov.media import render
from kuleshov.randomness import rng_for
from kuleshov.read import read
from kuleshov.runners import Failed, Limits, runner
from kuleshov.sample import Sample, Video
from kuleshov.sampling import too_short
from kuleshov.synthesize import MakeConfig, make

LIMITS = Limits(seconds=60.0)
LONGEST = 60.0
"""Seconds of the longest clip that is taken for a source."""
_BATCH = 250
"""Files on disk at a time."""
DIED = "the process that worked on it died"
_TRACEBACK = "an error that is none of ours: "
HUNG = f"took more than {LIMITS.seconds:g} s"


@dataclass
class Counts:
    """How the files ended. `sampled` and `skipped` make up all `files`."""

    files: int = 0
    crashes: int = 0
    hangs: int = 0
    sampled: int = 0
    skipped: int = 0


@dataclass
class Fuzz:
    """One pass over mutated files.

    Args:
        videos: folder of the clips to mutate.
        seed: of everything random.
        keep: where files that crashed or hung are copied.
        workers: processes; None for one a core.
    """

    videos: Path
    seed: int
    keep: Path
    workers: int | None = None

    def __post_init__(self) -> None:
        self.counts = Counts()
        self._sources = sources(self.videos)
        # What is quick to decode comes more often, so that more mutations fit the time.
        pixels = [video.width * video.height * video.num_frames for video in self._sources]
        self._weights = np.array(pixels) ** -0.5 / (np.array(pixels) ** -0.5).sum()

    def run(self, count: int) -> Counts:
        """Mutate and work on `count` files."""
        for start in range(0, count, _BATCH):
            batch = range(start, min(start + _BATCH, count))
            with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
                root = Path(folder) / "videos"
                root.mkdir()
                self._work_on(root, [self._write(root, index) for index in batch])
            print(f"{batch.stop} of {count}: {self.counts}", file=sys.stderr)
        return self.counts

    def _write(self, root: Path, index: int) -> str:
        """A mutated file; the same one each time for a seed and an index."""
        rng = rng_for("fuzz", self.seed, index)
        source = self.videos / rng.choice([v.path for v in self._sources], p=self._weights)
        name = f"{index:06}-{source.name}"
        (root / name).write_bytes(mutate(source.read_bytes(), rng))
        return name

    def _work_on(self, root: Path, names: Sequence[str]) -> None:
        """Make and render, and count."""
        out = root.parent / "out"
        shutil.rmtree(out, ignore_errors=True)
        config = MakeConfig(
            workers=self.workers, seconds=LIMITS.seconds, megabytes=LIMITS.megabytes
        )
        try:
            make(root, out, config)
        except Exception:
            self._find_culprit(root, names)
            return
        samples, skips = load_samples(out), load_skips(out)
        sampled = {_path(sample) for sample in samples}
        lost = set(names) - sampled - {skip.path for skip in skips}
        assert not lost, f"neither a sample nor a skip: {sorted(lost)}"
        self.counts.files += len(names)
        self.counts.sampled += len(sampled)
        self.counts.skipped += len(names) - len(sampled)
        for skip in skips:
            self._judge(root, skip.path, skip.reason)
        for path, reason in _rendered(root, samples, self.workers):
            self._judge(root, path, reason)

    def _find_culprit(self, root: Path, names: Sequence[str]) -> None:
        """An error of `make` itself: work on the halves until one file is left to blame."""
        if len(names) == 1:
            self.counts.files += 1
            self.counts.skipped += 1
            self._judge(root, names[0], f"{_TRACEBACK}{traceback.format_exc()}")
            return
        for half in (names[: len(names) // 2], names[len(names) // 2 :]):
            with tempfile.TemporaryDirectory(prefix="fuzz-half-") as folder:
                part = Path(folder) / "videos"
                part.mkdir()
                for name in half:
                    (root / name).rename(part / name)
                self._work_on(part, half)

    def _judge(self, root: Path, path: str, reason: str) -> None:
        crashed, hung = reason.startswith((DIED, _TRACEBACK)), reason == HUNG
        self.counts.crashes += crashed
        self.counts.hangs += hung
        if crashed or hung:
            self.keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / path, self.keep / path)
            print(f"{self.keep / path}: {reason}", file=sys.stderr)


def _rendered(
    root: Path, samples: Sequence[Sample], workers: int | None
) -> Iterator[tuple[str, str]]:
    """(path, reason) of the samples that cannot be rendered."""
    with (
        runner("local", workers, LIMITS) as run,
        closing(run.map(partial(_render, root), samples)) as results,
    ):
        for sample, result in zip(samples, results, strict=True):
            reason = result.reason if isinstance(result, Failed) else result
            if reason is not None:
                yield _path(sample), reason


def _render(root: Path, sample: Sample) -> str | None:
    """Why a sample cannot be rendered."""
    try:
        render(sample, root)
    except UnreadableVideoError as error:
        return str(error)
    except MemoryError:
        raise  # the runner knows the limit
    except Exception:
        return f"{_TRACEBACK}{traceback.format_exc()}"
    return None


def _path(sample: Sample) -> str:
    path: str = sample.provenance["videos"][0]["path"]
    return path


def sources(videos: Path) -> list[Video]:
    """The clips of a folder that give samples and do not take long.

    Raises:
        UsageError: there are none.
    """
    found = [video for video in read(videos) if isinstance(video, Video)]
    short = [v for v in found if not too_short(v, 2.0, 48) and v.duration <= LONGEST]
    if not short:
        raise UsageError(f"no clip in {videos} has 48 frames or more and at most {LONGEST:g} s")
    return short


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.fuzz", description=__doc__.split("\n")[0])
    videos = os.environ.get("KULESHOV_TEST_VIDEOS")
    parser.add_argument("videos", nargs="?", default=videos, help="folder of real clips")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if not args.videos:
        parser.error("no folder of clips; set KULESHOV_TEST_VIDEOS, or give VIDEOS=folder")
    try:
        counts = Fuzz(Path(args.videos), args.seed, Path("build/fuzz")).run(args.files)
    except KuleshovError as error:
        parser.error(str(error))
    print(json.dumps(asdict(counts)))
    return int(counts.crashes + counts.hangs > 0)


if __name__ == "__main__":
    sys.exit(main())
