"""Processes of this machine, one for each core, of which any may die.

What was lost with its process, or took too long, is worked on once more, while nothing else is: a
machine that is out of memory or busy makes good items fail.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import NamedTuple, TypeVar, final

from pebble import ProcessExpired, ProcessPool

from kuleshov.errors import UsageError
from kuleshov.runners.runner import (
    DIED,
    LEAST_MEGABYTES,
    NEEDS_MORE,
    TOOK_TOO_LONG,
    Failed,
    Limits,
    Runner,
)
from kuleshov.runners.system import check, lacking, limit_memory, memory

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 8
"""Items for each process that are given out before their results are taken."""


@final
class Local(Runner):
    """Processes of this machine, started with the first item.

    Args:
        workers: how many.
        limits: of each item.
    """

    def __init__(self, workers: int, limits: Limits) -> None:
        self.workers, self.limits = workers, limits
        self._pool: ProcessPool | None = None

    def map(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Generator[R | Failed, None, None]:
        pool = self._started()
        items = iter(items)
        waiting: deque[tuple[T, Future[R]]] = deque()

        def scheduled(item: T) -> Future[R]:
            try:
                future: Future[R] = pool.schedule(
                    _timed, args=[function, self.limits.seconds, item]
                )
            except BrokenProcessPool as error:
                raise _not_started(error) from error
            return future

        try:
            while True:
                for item in islice(items, self.workers * _AHEAD - len(waiting)):
                    waiting.append((item, scheduled(item)))
                if not waiting:
                    return
                item, future = waiting.popleft()
                result = self._result(future)
                if isinstance(result, Lost):
                    # It may have been the machine: others that took the memory, or the time.
                    wait([other for _, other in waiting])
                    self.retried += 1
                    result = self._result(scheduled(item))
                yield Failed(result.reason) if isinstance(result, Lost) else result
        finally:
            for _, future in waiting:
                future.cancel()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]  # pebble has no types
            self._pool.join()
            self._pool = None

    def _started(self) -> ProcessPool:
        if self._pool is None:
            check(self.workers, LEAST_MEGABYTES)
            # forkserver: the same on Linux and macOS, safe where threads are already running, and
            # what all processes import is imported once.
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["__main__", "kuleshov", __name__])
            self._pool = ProcessPool(
                self.workers,
                initializer=_limit_memory,
                initargs=[self.limits.megabytes],
                context=context,
            )
        return self._pool

    def _result(self, future: Future[R]) -> R | Failed | Lost:
        try:
            return future.result()
        except ProcessExpired as error:
            if error.exitcode == -signal.SIGALRM:
                return Lost(f"{TOOK_TOO_LONG} {self.limits.seconds:g} s")
            return Lost(f"{DIED} ({_exit(error.exitcode)})")
        except BrokenProcessPool as error:
            raise _not_started(error) from error
        except MemoryError as error:
            if (there := memory()) is not None and there < self.limits.megabytes:
                raise UsageError(
                    f"an item needs more memory than the {there} MB that a process may take "
                    "(`ulimit -v`); allow more with `ulimit -v unlimited`, or lower megabytes to "
                    "that, and such items are skips. What was finished before is kept"
                ) from error
            return Failed(f"{NEEDS_MORE} {self.limits.megabytes} MB of memory")
        except OSError as error:
            if (why := lacking(error)) is None:
                raise
            raise UsageError(
                f"the work cannot go on: {why}. What was finished before is kept"
            ) from error


def _not_started(error: BaseException) -> UsageError:
    why = lacking(error) or (
        'in a script, work with workers belongs below `if __name__ == "__main__":`, or give '
        "workers=0"
    )
    return UsageError(f"the processes cannot be started; {why}")


def _exit(code: int) -> str:
    """How a process ended.

    >>> _exit(9), _exit(-24)
    ('exit code 9', 'SIGXCPU, as `ulimit -t` allows no more seconds of the CPU')
    """
    if code == -signal.SIGXCPU:
        return "SIGXCPU, as `ulimit -t` allows no more seconds of the CPU"
    return f"exit code {code}"


class Lost(NamedTuple):
    """In place of a result: why there is none this time."""

    reason: str


def _timed(function: Callable[[T], R], seconds: float, item: T) -> R:
    """A result, or the end of this process after so long: by a timer of the kernel, which stands
    still while the machine sleeps, and which nothing that hangs can keep from ending it.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return function(item)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit_memory(megabytes: int) -> None:
    # A notice is for the process that gives out the work (notice.py).
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if sys.platform == "linux":
        limit_memory(megabytes)
