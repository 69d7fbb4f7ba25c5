"""Work on many items, in processes or in this one, with the results in the order of the items."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from kuleshov.progress import Progress

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def ordered_map(workers: int) -> Iterator[Callable[[Callable[[T], R], Sequence[T]], Iterable[R]]]:
    """A `map` over processes, or in this one if `workers` is 1."""
    if workers == 1:
        yield map
        return
    # spawn: the same on Linux and macOS, and safe where threads are already running.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield pool.map


def counted(items: Iterable[T], what: str, total: int, progress: Progress) -> Iterator[T]:
    """The same items, each reported as it comes."""
    progress(what, 0, total)
    for done, item in enumerate(items, 1):
        progress(what, done, total)
        yield item
