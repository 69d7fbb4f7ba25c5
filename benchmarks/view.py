"""How long a browser takes to open the page of a large set.

    python -m benchmarks.view [--samples 10000] [--runs 3]

The set is made from a few real samples that are written down again and again under other ids; the
contact sheets are those that `kuleshov view` draws by default. Measured is the time from the
start of the navigation to the first list, laid out, in headless Chromium; the slowest run counts.

Prints one JSON line: `samples`, `load_ms` and `console_errors`.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kuleshov import dataset
from kuleshov.clips import write_clips
from kuleshov.report.view import view
from kuleshov.sample import Sample, Skip
from kuleshov.synthesize import MakeConfig, make

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
TASKS = {"anomaly": {}, "counting": {}, "jigsaw": {}, "masked": {"max_similarity": 0.999}}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if browser() is None:
        sys.exit(f"there is no browser; install one of {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory() as folder:
        data = large_set(Path(folder), options.samples)
        page = view(data, data / "view", workers=None).page
        runs = [opened(page) for _ in range(options.runs)]
    result = {
        "samples": options.samples,
        "load_ms": max(run.ready_ms for run in runs),
        "console_errors": max(len(run.console) for run in runs),
    }
    print(json.dumps(result))


def large_set(folder: Path, count: int, videos: int = 6, per_video: int = 4) -> Path:
    """A set of `count` samples of a few clips, and a skip for every tenth one of them."""
    write_clips(folder / "videos", videos, seed=0, seconds=8)
    make(folder / "videos", folder / "few", MakeConfig(tasks=TASKS, per_video=per_video))
    few = dataset.load_samples(folder / "few")
    out = folder / "many"
    dataset.write(out, _many(few, count), {"videos": str(folder / "videos")})
    return out


def _many(few: list[Sample], count: int) -> Iterator[Sample | Skip]:
    for number in range(count // 10):
        yield Skip(f"clips/{number:06}.mp4", f"{number / 1000} s long, needs 2 s", "anomaly")
    for number in range(count):
        yield replace(few[number % len(few)], id=f"{number:016x}")


class Opened(NamedTuple):
    """A page in a browser: when it was ready, what stood on the console, and its DOM then."""

    ready_ms: int
    console: list[str]
    dom: str


def browser() -> str | None:
    """The path of a Chromium."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def opened(page: Path, place: str = "") -> Opened:
    """Open a page of `kuleshov view`.

    Args:
        page: the HTML file.
        place: what stands behind the # of its address.
    """
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser() or BROWSERS[0],
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={profile}",
            "--enable-logging=stderr",
            "--v=0",
            "--dump-dom",
            f"{page.resolve().as_uri()}#{place}",
        ]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    ready = re.search(r'data-ready="([\d.]+)"', ran.stdout)
    if ready is None:
        sys.exit(f"the page was not ready when it had loaded:\n{ran.stderr}")
    console = [line for line in ran.stderr.splitlines() if "CONSOLE" in line]
    return Opened(round(float(ready[1])), console, ran.stdout)


if __name__ == "__main__":
    main()
