"""What the benchmarks of VideoPerceiver share: runs that outlive a kill, both sides, intervals.

OUT/NAME-SEED.json   what a finished run left, with its scores; what has none is run (again)
OUT/begun-*          left by runs that were killed
DATA/full            samples on clips as they are
DATA/degraded        the held-out ones without their key frames
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kuleshov import dataset
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.runner import evaluate
from kuleshov.evaluate.statistics import micro
from kuleshov.evaluate.statistics.bootstrap import bootstrap, percentiles
from kuleshov.evaluate.statistics.reported import Floats
from kuleshov.run import begin
from kuleshov.runners import Failed, Limits, runner
from kuleshov.sample import Sample
from kuleshov.train.preference import KEY_FRAMES, degraded

SIDES = ("full", "degraded")
ANSWERED = EvalConfig(conditions=("full",), batch_size=64, max_completion_tokens=16)
Job = tuple[str, int]
"""(name, seed)."""


def go_on(out: Path, settings: Any) -> None:
    """Begin a folder, or go on in it.

    Raises:
        UsageError: it was begun with other settings.
    """
    record = json.loads(json.dumps(asdict(settings)))  # as it is read again
    begin(out, record, settings, started=(out / "environment.json").is_file())
    for left in out.glob("begun-*"):
        shutil.rmtree(left, ignore_errors=True)


def carry_out(out: Path, jobs: Iterable[Job], work: Callable[[Job], str], workers: int) -> None:
    """Do the jobs that have left no file.

    Args:
        out: the folder.
        jobs: in this order.
        work: does one, leaves its file and says how it went.
        workers: processes, of a thread each; 0 for none but this one.

    Raises:
        SystemExit: one failed.
    """
    todo = [job for job in jobs if not file_of(out, job).is_file()]
    # Nothing of it takes long; the limits are there for what hangs.
    with runner("local", workers, Limits(seconds=3600, megabytes=65536)) as run:
        for job, done in zip(todo, run.map(work, todo), strict=True):
            if isinstance(done, Failed):
                raise SystemExit(f"{job}: {done.reason}")
            print(f"{job[0]}, seed {job[1]}: {done}", file=sys.stderr, flush=True)


def file_of(out: Path, job: Job) -> Path:
    """What a job leaves."""
    return out / f"{job[0]}-{job[1]}.json"


def write_degraded(out: Path, samples: Sequence[Sample], clips: Path) -> None:
    """Samples without their key frames as a set; those that have none are as they were."""
    lost = [degraded(sample, KEY_FRAMES) or sample for sample in samples]
    dataset.write(out, lost, {"videos": str(clips.resolve())})


def answered(model: Path, data: Path, folder: Path) -> dict[str, dict[str, float]]:
    """The score of each held-out sample on both sides; answers go into the folder."""
    return {
        side: {
            result.sample: result.score
            for result in evaluate(str(model), data / side, folder / side, ANSWERED)
        }
        for side in SIDES
    }


def records(out: Path, name: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """What the runs of a name left, seed by seed."""
    files = [file_of(out, (name, seed)) for seed in seeds]
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def scores(runs: Sequence[dict[str, Any]], side: str, asked: Sequence[Sample]) -> Floats:
    """The scores of these records, of shape (items, seeds)."""
    return np.array([[run["scores"][side][sample.id] for run in runs] for sample in asked])


def interval(
    name: str, scores: Floats, asked: Sequence[Sample], low: float = -1.0
) -> dict[str, Any]:
    """A mean with its 95 % interval, by drawing videos and seeds.

    Args:
        name: what it is.
        scores: (items, seeds); differences where `low` is -1.
        asked: the items.
        low: the least that a score can be.

    Returns:
        `name` and `name`_interval, which is None with fewer than 10 videos.
    """
    reported = micro(scores, [sample.video_ids[0] for sample in asked])
    value = float(reported.value().mean())
    drawn = bootstrap(reported)
    seeds = reported.columns
    chosen = np.random.default_rng([0, seeds]).integers(seeds, size=(len(drawn), seeds))
    means = np.take_along_axis(drawn, chosen, axis=1).mean(axis=1)
    ends = percentiles(means, value, reported.videos, (low, 1.0))
    rounded = None if ends is None else [round(end, 4) for end in ends]
    return {name: round(value, 4), f"{name}_interval": rounded}
