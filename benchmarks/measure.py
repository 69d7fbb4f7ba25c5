"""What a command costs, with all processes that it starts. Linux only."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_ADOPT = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h


@dataclass(frozen=True)
class Cost:
    """CPU and wall seconds of all processes, and the peak resident memory of the largest one."""

    cpu: float
    wall: float
    peak_mb: float

    def __str__(self) -> str:
        return f"{self.cpu:.2f} CPU s, {self.wall:.2f} s, at most {self.peak_mb:.0f} MB a process"


def measure(command: Sequence[str], cwd: Path) -> Cost:
    """Run a command in a fresh process tree, and wait for all of it.

    Raises:
        CalledProcessError: it failed.
    """
    # A process of its own watches, whose only children are those of the command.
    watcher = [sys.executable, str(Path(__file__).resolve()), *command]
    watched = subprocess.run(watcher, cwd=cwd, stdout=subprocess.PIPE, check=True)
    return Cost(**json.loads(watched.stdout))


def watch(command: Sequence[str]) -> Cost:
    """Run a command and wait for it and for all helpers that outlive it, such as a fork server."""
    ctypes.CDLL(None).prctl(_ADOPT, 1)
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cpu, peak = 0.0, 0
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        # What a process waited for is in its own figures.
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss)
        if pid == process.pid:
            process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"exit code {process.returncode}: {' '.join(command)}")
    return Cost(cpu, time.perf_counter() - started, peak / 1024)


def bytes_below(folder: Path, pattern: str = "*") -> int:
    """Sizes of all files of a folder, summed."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


if __name__ == "__main__":
    print(json.dumps(asdict(watch(sys.argv[1:]))))
