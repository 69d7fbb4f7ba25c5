"""Other videos that a task may borrow from, chosen so that most choices outlive a change.

Consistent hashing: the ids of the videos, which are hashes, stand on a ring, and a hash of (seed,
task, video id) points at a place on it; the donors are the next videos from there. When a video
comes or goes, only those choices change that it takes part in. Finding them costs a binary search,
however many videos there are. Near-duplicates do not lend to each other: a clip of one would not be
told from a clip of the other.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from kuleshov.randomness import digest
from kuleshov.sample import Video


class Lender(NamedTuple):
    """A video that may lend, and the id of the first one of its near-duplicates."""

    video: Video
    first: str


def donors(
    video: Video, first: str, others: Sequence[Lender], n: int, seed: int, task: str
) -> list[Video]:
    """N other videos, or all there are.

    Args:
        video: the one that borrows.
        first: of its near-duplicates.
        others: all videos that may lend, sorted by id; the borrowing one may be among them.
        n: how many.
        seed: of the run.
        task: name of the task, so that each task borrows elsewhere.
    """
    place = f"{digest(seed, task, video.id):032x}"
    start = bisect_left(others, place, key=lambda other: other.video.id)
    chosen: list[Video] = []
    for i in range(len(others)):
        if len(chosen) == n:
            break
        other = others[(start + i) % len(others)]
        if other.first != first:
            chosen.append(other.video)
    return chosen


@lru_cache(maxsize=2)
def load(path: Path) -> tuple[Lender, ...]:
    """The videos of a file with one JSON object a line, sorted by id; read once a process."""
    with path.open(encoding="utf-8") as lines:
        read = [json.loads(line) for line in lines]
    found = (Lender(Video(**line["video"]), line["first"]) for line in read)
    return tuple(sorted(found, key=lambda lender: lender.video.id))
