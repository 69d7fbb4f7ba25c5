"""Notice before the end: what a cluster sends to a process before it takes its machine away.

SIGTERM (Slurm, Kubernetes, spot machines) and SIGUSR1 (Slurm's `--signal`) end a command cleanly,
with exit code 75, which says that the same command goes on where it was. Training first finishes
its step and writes a whole checkpoint. All other work is kept part by part anyway, so it ends at
once; what hangs while it cleans up is ended after `SECONDS`.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT = 75
"""EX_TEMPFAIL of sysexits.h: try again."""
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
SECONDS = 50.0
"""Clusters give 30 to 60 s or more; ours."""


class Notice(BaseException):
    """The process was told to end. No `Exception`, so that nothing takes it for a failure."""


class _State:
    given = False
    deferred = False


@contextmanager
def heeded(seconds: float = SECONDS) -> Iterator[None]:
    """In which notices raise `Notice` in the main thread; elsewhere they end the process.

    Args:
        seconds: after which a process that has not ended is ended.
    """

    def notice(number: int, frame: FrameType | None) -> None:
        if _State.given:
            return
        _State.given = True
        if _State.deferred:
            return
        last = threading.Timer(seconds, os._exit, [EXIT])
        last.daemon = True
        last.start()
        raise Notice(signal.Signals(number).name)

    before = {one: signal.signal(one, notice) for one in SIGNALS}
    _State.given = False
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        _State.given = False


@contextmanager
def deferred() -> Iterator[None]:
    """In which notices are only taken note of (`given`), so that work comes to a good end."""
    _State.deferred = True
    try:
        yield
    finally:
        _State.deferred = False


def given() -> bool:
    """Whether there was a notice."""
    return _State.given
