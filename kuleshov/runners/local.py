"""Processes of this machine, one for each core, of which any may die."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar, final

from pebble import ProcessExpired, ProcessPool

from kuleshov.errors import UsageError
from kuleshov.runners.runner import Failed, Limits, Runner

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
        waiting: deque[Future[R | Failed]] = deque()
        try:
            while True:
                for item in islice(items, self.workers * _AHEAD - len(waiting)):
                    waiting.append(
                        pool.schedule(function, args=[item], timeout=self.limits.seconds)
                    )
                if not waiting:
                    return
                yield self._result(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]  # pebble has no types
            self._pool.join()
            self._pool = None

    def _started(self) -> ProcessPool:
        if self._pool is None:
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

    def _result(self, future: Future[R | Failed]) -> R | Failed:
        try:
            return future.result()
        except TimeoutError:
            return Failed(f"took more than {self.limits.seconds:g} s")
        except ProcessExpired as error:
            return Failed(f"the process that worked on it died (exit code {error.exitcode})")
        except BrokenProcessPool as error:
            raise UsageError(
                "the processes cannot be started; in a script, work with workers belongs below "
                '`if __name__ == "__main__":`, or give workers=0'
            ) from error
        except MemoryError:
            return Failed(f"needs more than {self.limits.megabytes} MB of memory")


def _limit_memory(megabytes: int) -> None:
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
