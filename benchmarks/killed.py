"""Run a `kuleshov` command and kill it at its n-th touch of the disk.

    python -m benchmarks.killed N make videos -o out --workers 0

A touch is a file opened for writing, a write, a flush to the disk, a rename, a removed file, a
made or removed folder. A write is killed in its middle: half of its bytes are on the disk then.
With N = 0 nothing is killed, and the number of touches is printed last.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path
from typing import Any

from kuleshov import journal
from kuleshov.rendered import shards

PART, SHARD = 8, 16
"""Small ones: more parts, more touches."""
TOUCHES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}


class Killer:
    """Counts touches and kills this process at the n-th one."""

    def __init__(self, n: int) -> None:
        self.n, self.count = n, 0

    def touch(self) -> bool:
        """Whether this is the one to be killed at."""
        self.count += 1
        return self.count == self.n

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Told by Python of each operation before it is done."""
        if event in TOUCHES and self.touch():
            die()

    def open(self, path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        """`Path.open`, with files that count their writes."""
        if mode != "wb":
            return open(path, mode, *arguments, **options)
        if self.touch():
            die()
        return Counted(path, self)

    def fsync(self, file: Any) -> None:
        if self.touch():
            die()


class Counted(io.BufferedWriter):
    """A file opened for writing that tells the killer of each write."""

    def __init__(self, path: Path, killer: Killer) -> None:
        super().__init__(io.FileIO(path, "wb"))
        self.killer = killer

    def write(self, data: Any) -> int:
        if self.killer.touch():
            view = memoryview(data).cast("B")
            super().write(view[: len(view) // 2])
            super().flush()
            die()
        return super().write(data)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """See the module."""
    n, *command = sys.argv[1:]
    journal.PART, shards.SHARD = PART, SHARD
    killer = Killer(int(n))
    # Assigned over, which types do not allow.
    Path.open = lambda path, *a, **k: killer.open(path, *a, **k)  # type: ignore[method-assign, assignment]
    os.fsync = killer.fsync  # type: ignore[assignment]
    sys.addaudithook(killer.audit)
    from kuleshov.cli import app

    app(command, standalone_mode=False)
    print(killer.count)


if __name__ == "__main__":
    main()
