"""Our data stage against a straightforward one, on the same videos in the same run.

    corpus ─┬─► baseline   48 JPEG a video, three tasks on them
            ├─► make       three samples a video, as recipes ─► render: their frames as JPEG
            └─► masked     make alone, against decoding the same frames

Every side runs in a process tree of its own, start-up included, `--rounds` times in turn; figures
are medians of CPU seconds. The last line that is printed is one JSON object.

    python -m benchmarks.data [VIDEOS] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.copies import copy_of
from benchmarks.corpus import corpus
from benchmarks.measure import Cost, bytes_below, measure
from kuleshov.dataset import load_samples
from kuleshov.errors import KuleshovError

ROOT = Path(__file__).parent.parent
# What the baseline does: the other kinds would be work that it has not.
RECIPE = """
make:
  tasks:
    anomaly: {kinds: [channel_swap, invert, mirror, rotate180, shuffle, zoom_out]}
    counting: {}
    jigsaw: {}
  held_out: 0.0
"""

Costs = dict[str, list[Cost]]


def commands(corpus: Path, videos: Path, work: Path) -> dict[str, list[str]]:
    """The sides, by name, in the order in which they run; each writes to a folder of its name.

    Args:
        corpus: the folder of all different videos.
        videos: the folder with all of them several times.
        work: the folder to write to.
    """
    baseline = [sys.executable, "-m", "benchmarks.baseline", str(videos)]
    kuleshov = str(Path(sys.executable).with_name("kuleshov"))
    # The baseline splits nothing, so there is no side that near-duplicates would have to stay on.
    looks = [*baseline[:-1], str(corpus)]
    make, render = [kuleshov, "make"], [kuleshov, "render"]
    recipe = work / "recipe.yaml"
    recipe.write_text(RECIPE)
    tasks = ["--config", str(recipe)]
    masked = ["--task", "masked", "--held-out", "0"]
    large = str(corpus / "1080p")
    return {
        "baseline": [*baseline, str(work / "baseline")],
        "make": [*make, str(videos), "-o", str(work / "make"), *tasks],
        "render": [*render, str(work / "make"), "-o", str(work / "render")],
        "make once": [*make, str(corpus), "-o", str(work / "make once"), *tasks],
        "render once": [*render, str(work / "make once"), "-o", str(work / "render once")],
        "baseline looks": [*looks, str(work / "baseline looks"), "--looks"],
        "masked": [*make, str(corpus), "-o", str(work / "masked"), *masked],
        "make 1080p": [*make, large, "-o", str(work / "make 1080p"), *tasks],
        "render 1080p": [*render, str(work / "make 1080p"), "-o", str(work / "render 1080p")],
    }


COPIES = 4
"""Of each video, with other hashes: as a tiny set would measure the start of our processes."""


def several(corpus: Path, folder: Path) -> Path:
    """A folder with every video `COPIES` times."""
    for path in (path for path in corpus.rglob("*") if path.is_file()):
        for number in range(COPIES):
            copy = folder / f"{path.stem}-{number}{path.suffix}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(copy_of(path.read_bytes(), path.suffix, number))
    return folder


def run(corpus: Path, work: Path, rounds: int) -> Costs:
    """What each side costs, in each round."""
    videos = several(corpus, work / "videos")
    costs: Costs = {}
    for number in range(rounds):
        # Nothing is remembered from another run.
        os.environ["KULESHOV_CACHE"] = str(work / f"cache-{number}")
        for name, command in commands(corpus, videos, work).items():
            shutil.rmtree(work / name, ignore_errors=True)
            cost = measure(command, ROOT)
            costs.setdefault(name, []).append(cost)
            print(f"round {number + 1}: {name}: {cost}", file=sys.stderr)
    return costs


def start_up(costs: Costs, num_videos: int, num_large: int) -> str:
    """How the cost of `make` divides, from its cost on two numbers of videos."""
    whole, few = (
        statistics.median(cost.cpu for cost in costs[name]) for name in ("make", "make 1080p")
    )
    each = (whole - few) / (num_videos - num_large)
    return f"make: {whole - each * num_videos:.2f} CPU s to start, {each:.3f} for each video"


def figures(costs: Costs, work: Path, num_videos: int) -> dict[str, float]:
    """The claims, from the costs of all sides and from what the last round has written."""
    cpu = {name: statistics.median(cost.cpu for cost in sides) for name, sides in costs.items()}
    peak = max(cost.peak_mb for name in ("make 1080p", "render 1080p") for cost in costs[name])
    # Of each video once: copies compress well, and the same frame is stored once for them all.
    samples = len(load_samples(work / "make once"))
    recipes = bytes_below(work / "make once" / "samples", "*.parquet")
    rendered, written = bytes_below(work / "render once"), bytes_below(work / "baseline") / COPIES
    found = {
        "recipe_rate_ratio": cpu["baseline"] / cpu["make"],
        "rendered_rate_ratio": cpu["baseline"] / (cpu["make"] + cpu["render"]),
        "recipe_bytes_per_sample": recipes / samples,
        "rendered_bytes_ratio": rendered / written,
        "peak_rss_mb_1080p": peak,
        "baseline_cpu_s_per_video": cpu["baseline"] / num_videos,
        "masked_rate_ratio": cpu["baseline looks"] / cpu["masked"],
    }
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.data", description=__doc__.split("\n")[0])
    clips = os.environ.get("KULESHOV_TEST_VIDEOS")
    parser.add_argument("videos", nargs="?", default=clips, help="folder of real clips")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if not args.videos:
        parser.error("no folder of clips; set KULESHOV_TEST_VIDEOS, or give VIDEOS=folder")
    try:
        videos = corpus(Path(args.videos), ROOT / "build" / "bench-corpus")
    except KuleshovError as error:
        parser.error(str(error))
    # What is measured is this checkout, wherever the command is installed from.
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory(prefix="bench-data-") as folder:
        costs = run(videos, Path(folder), args.rounds)
        num_videos, num_large = (
            sum(path.is_file() for path in below.rglob("*"))
            for below in (Path(folder) / "videos", videos / "1080p")
        )
        print(start_up(costs, num_videos, num_large), file=sys.stderr)
        print(json.dumps(figures(costs, Path(folder), num_videos)))


if __name__ == "__main__":
    main()
