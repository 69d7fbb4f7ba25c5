"""How cost and memory of `kuleshov make` grow with the number of videos, and what Ray costs.

    python -m benchmarks.scale [--sizes 100 1000 10000] [--only check] [--videos 20000]

The videos are one procedural clip of 5 s with a different empty box appended to each copy, so
that every file has another content and the same picture.

Prints one JSON line last:

    exponent              of CPU seconds over videos, between the two largest sizes (1: linear)
    driver_rss_growth_mb  peak memory of the driving process, largest size minus smallest
    ray_identical         whether the runner `ray` writes the same bytes, at the middle size
    ray_overhead_ratio    its wall time over that of `local` there, start of Ray included

and one of `check` and `report` (`--only check`: only that), on copies of 200 clips, so that there
are two sides to compare: `samples`; CPU seconds of all processes and peak memory of the largest
process, driver or worker, of both; and those of `make`. The report is of two models that were asked
the held-out fifth of the samples with and without the video.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.answered import answered, knows
from benchmarks.copies import copy_of
from benchmarks.measure import measure
from benchmarks.soak import contents
from kuleshov.clips import write_clips
from kuleshov.dataset import load_summary

CLIPS = 200
TASKS = ("--task", "anomaly", "--task", "counting", "--task", "jigsaw")


class Cost(NamedTuple):
    """What a run took, all its processes together, and peaks of the driving and any process."""

    cpu_seconds: float
    wall_seconds: float
    driver_mb: float
    peak_mb: float


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs=3, default=[100, 1000, 10_000])
    parser.add_argument("--only", choices=["check"])
    parser.add_argument("--videos", type=int, default=20_000, help="of check and report")
    parser.add_argument("--driver", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.driver:
        drive(Path(options.driver[0]), options.driver[1:])
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.only is None:
            print(json.dumps(scale(Path(folder), options.sizes)), flush=True)
        print(json.dumps(checked(Path(folder), options.videos)))


def checked(folder: Path, videos: int) -> dict[str, Any]:
    """What `check` and `report` cost, beside the `make` of the same samples."""
    corpus(folder / "videos-checked", videos, CLIPS)
    tasks = *TASKS, "--task", "arrow"
    videos_in, data = str(folder / "videos-checked"), str(folder / "set")
    made = command(folder, "made", "make", videos_in, "-o", data, *tasks)
    check = command(folder, "checked", "check", data)
    runs = [folder / name for name in ("base", "trained")]
    for run, share in zip(runs, (0.3, 0.6), strict=True):
        answered(run, folder / "set", knows(share), ("full", "blind"))
    page = str(folder / "page")
    report = command(folder, "reported", "report", *map(str, runs), "-o", page)
    return {
        "samples": load_summary(folder / "set")["samples"],
        "check_cpu_s": round(check.cpu_seconds, 1),
        "check_peak_mb": round(check.peak_mb, 1),
        "report_cpu_s": round(report.cpu_seconds, 1),
        "report_peak_mb": round(report.peak_mb, 1),
        "make_cpu_s": round(made.cpu_seconds, 1),
    }


def scale(folder: Path, sizes: list[int]) -> dict[str, Any]:
    """Measure three sizes with the local runner, and the middle one with Ray."""
    costs = []
    for size in sizes:
        corpus(folder / f"videos-{size}", size)
        costs.append(run(folder, f"videos-{size}", f"local-{size}", "local"))
        print(size, costs[-1], file=sys.stderr, flush=True)
    middle = sizes[1]
    on_ray = run(folder, f"videos-{middle}", f"ray-{middle}", "ray")
    same = contents(folder / f"local-{middle}") == contents(folder / f"ray-{middle}")
    ratio = costs[2].cpu_seconds / costs[1].cpu_seconds
    return {
        "exponent": round(math.log(ratio) / math.log(sizes[2] / sizes[1]), 3),
        "driver_rss_growth_mb": round(costs[2].driver_mb - costs[0].driver_mb, 1),
        "ray_identical": same,
        "ray_overhead_ratio": round(on_ray.wall_seconds / costs[1].wall_seconds, 2),
        "cpu_ms_per_video": {
            str(size): round(1000 * cost.cpu_seconds / size, 1)
            for size, cost in zip(sizes, costs, strict=True)
        },
    }


def corpus(folder: Path, size: int, clips: int = 1) -> None:
    """So many videos with different bytes, and the pictures of a few clips."""
    with tempfile.TemporaryDirectory() as few:
        write_clips(Path(few), clips, seed=0, seconds=5, workers=0)
        contents = [(clip.suffix, clip.read_bytes()) for clip in sorted(Path(few).iterdir())]
    for i in range(size):
        suffix, content = contents[i % clips]
        path = folder / f"{i // 1000:03}" / f"{i:06}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(copy_of(content, suffix, i))


def run(folder: Path, videos: str, out: str, runner: str) -> Cost:
    """One `kuleshov make` in a process tree of its own."""
    where = str(folder / videos), "-o", str(folder / out)
    return command(folder, out, "make", *where, "--runner", runner, *TASKS)


def command(folder: Path, name: str, *words: str) -> Cost:
    """One command of kuleshov in a process tree of its own; the folder gets a note of it."""
    driver = folder / f"{name}.json"
    module = [sys.executable, "-m", "benchmarks.scale", "--driver", str(driver)]
    cost = measure([*module, *words], Path.cwd())
    return Cost(cost.cpu, cost.wall, float(driver.read_text()), cost.peak_mb)


def drive(driver: Path, command: list[str]) -> None:
    """Run a command in this process and write down its peak memory, in MB."""
    from kuleshov.cli import app

    app(command, standalone_mode=False)
    unit = 1 << 10 if sys.platform == "linux" else 1 << 20  # kB there, bytes on macOS
    driver.write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit))


if __name__ == "__main__":
    main()
