"""Other videos that a task may borrow from, chosen so that most choices outlive a change.

Consistent hashing: the ids of the videos, which are hashes, stand on a ring, and a hash of (seed,
task, video id) points at a place on it; the donors are the next videos from there. When a video
comes or goes, only those choices change that it takes part in. Finding them costs a binary search,
however many videos there are.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from kuleshov.randomness import digest
from kuleshov.sample import Video


def donors(video: Video, others: Sequence[Video], n: int, seed: int, task: str) -> list[Video]:
    """N other videos, or all there are.

    Args:
        video: the one that borrows.
        others: all videos that may lend, sorted by id; the borrowing one may be among them.
        n: how many.
        seed: of the run.
        task: name of the task, so that each task borrows elsewhere.
    """
    place = f"{digest(seed, task, video.id):032x}"
    first = bisect_left(others, place, key=lambda other: other.id)
    chosen: list[Video] = []
    for i in range(len(others)):
        if len(chosen) == n:
            break
        other = others[(first + i) % len(others)]
        if other.id != video.id:
            chosen.append(other)
    return chosen


@lru_cache(maxsize=2)
def load(path: Path) -> tuple[Video, ...]:
    """The videos of a file with one JSON object a line, sorted by id; read once a process."""
    with path.open(encoding="utf-8") as lines:
        return tuple(sorted((Video(**json.loads(line)) for line in lines), key=lambda v: v.id))
