"""Kill `make` and `render` again and again, and see that what they end with is the same.

    python -m benchmarks.soak [--kills 200] [--seed 0]

Each run goes on in the folder of the run that was killed before it, until one comes to its end;
then the other command has its turn, in an empty folder. Three of four kills are at a touch of the
disk (see `benchmarks/killed.py`), the fourth at a random moment while two processes work. After
every kill the folder is looked at as a reader would: what is there is whole.

Prints one JSON line last: `kills`, and whether all that was finished is `identical`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from kuleshov.clips import write_clips


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = soak(Path(folder), options.kills, options.videos, options.seed)
    print(json.dumps(result))
    sys.exit(not result["identical"])


def soak(folder: Path, kills: int, videos: int, seed: int) -> dict[str, int | bool]:
    """Kill so many runs; returns the figures."""
    rng = random.Random(seed)
    write_clips(folder / "videos", videos, seed, seconds=5)
    whole: dict[str, Whole] = {}
    for name, command in COMMANDS.items():
        started = time.perf_counter()
        touches = int(_run(folder, command, f"whole-{name}", 0).stdout.split()[-1])
        seconds = time.perf_counter() - started
        whole[name] = Whole(touches, seconds, contents(folder / f"whole-{name}"))
    done, identical = 0, True
    while done < kills:
        for name, command in COMMANDS.items():
            while done < kills and _killed(folder, command, whole[name], rng):
                done += 1
                look(folder / "out")
                if done % 20 == 0:
                    print(f"{done} kills", file=sys.stderr, flush=True)
            _run(folder, command, "out", 0)
            identical &= contents(folder / "out") == whole[name].files
            shutil.rmtree(folder / "out")
    return {"kills": done, "identical": identical}


class Whole(NamedTuple):
    """A run without a kill: touches of the disk, how long it took, and what it wrote."""

    touches: int
    seconds: float
    files: dict[str, bytes]


COMMANDS = {
    "make": "make {folder}/videos -o {out} --task anomaly --task counting --task jigsaw",
    "render": "render {folder}/whole-make -o {out}",
}


def _killed(folder: Path, command: str, whole: Whole, rng: random.Random) -> bool:
    """Run once; whether it was killed before it was finished."""
    if rng.random() < 0.75:
        # Few touches at a time, so that a set takes several kills to be finished.
        return _run(folder, command, "out", rng.randint(1, whole.touches // 2)).returncode != 0
    return not _run_for(folder, command, "out", rng.uniform(0.2, 1.5 * whole.seconds))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def look(out: Path) -> None:
    """Read all that has its name already, as another program might at this moment."""
    for path in out.rglob("[!.]*.parquet"):
        pq.read_table(path)
    for path in out.glob("*.json"):
        json.loads(path.read_text())
    for path in out.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            json.loads(line)


def _run(folder: Path, command: str, out: str, touch: int) -> subprocess.CompletedProcess[str]:
    """In one process, killed at a touch of the disk."""
    arguments = _arguments(folder, command, out, touch, workers=0)
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


def _run_for(folder: Path, command: str, out: str, seconds: float) -> bool:
    """With two processes, killed after so many seconds. Whether it was finished before."""
    process = subprocess.Popen(
        _arguments(folder, command, out, 0, workers=2),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return False


def _arguments(folder: Path, command: str, out: str, touch: int, workers: int) -> list[str]:
    filled = command.format(folder=folder, out=folder / out).split()
    killed = [sys.executable, "-m", "benchmarks.killed", str(touch)]
    return [*killed, *filled, "--workers", str(workers)]


if __name__ == "__main__":
    main()
