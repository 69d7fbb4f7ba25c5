"""How much of what a set holds: which entry a video serves, and which samples are kept.

An entry is one line of a recipe's `make.tasks`: a task with its knobs under a label.

    tasks:    {mirror: {task: anomaly, kinds: [mirror]}, jigsaw: {}}     two entries
    counts:   {mirror: 3000, jigsaw: 12000}     so many of each, or all that the videos give
    weights:  {mirror: 1, jigsaw: 4}            shares of the largest set that they allow
    disjoint: true                              no video serves two entries

Hashes decide, keyed by the seed, the label and the video's id. So neither the order of the videos
nor the number of workers changes the set, and a video that comes or goes moves no other video to
another entry.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from kuleshov.randomness import digest
from kuleshov.sample import Sample, Skip

_TURN_BITS, _HASH_BITS = 8, 56


def preferences(video_id: str, shares: Mapping[str, float], seed: int) -> list[str]:
    """All entries in the order in which a video that serves one of them tries them.

    Each entry waits for a time drawn from an exponential distribution whose rate is its share;
    the first to come is first with probability share / sum of the shares (weighted rendezvous
    hashing). Where a share grows or an entry is added, videos move to that entry only.

    Args:
        video_id: of the video.
        shares: of the videos, for each entry; above 0, in any unit.
        seed: of the run.
    """

    def waits(label: str) -> float:
        return -math.log((digest("entry", seed, label, video_id) + 1) / 2.0**128) / shares[label]

    return sorted(shares, key=waits)


def scaled(counts: Mapping[str, int], share: float) -> dict[str, int]:
    """Counts of a smaller set of the same mixture, rounded up.

    >>> scaled({"mirror": 3000, "jigsaw": 12000}, 0.0005)
    {'mirror': 2, 'jigsaw': 6}
    """
    return {label: math.ceil(count * _exactly(share)) for label, count in counts.items()}


def largest(weights: Mapping[str, float], made: Mapping[str, int]) -> dict[str, int]:
    """Counts of the largest set with these shares; the scarcest entry is used up.

    Args:
        weights: of the entries; above 0, in any unit.
        made: samples of each entry that there are.

    >>> largest({"mirror": 0.1, "jigsaw": 0.3}, {"mirror": 10, "jigsaw": 90})
    {'mirror': 10, 'jigsaw': 30}
    """
    shares = {label: _exactly(weight) for label, weight in weights.items()}
    size = min(made.get(label, 0) / share for label, share in shares.items())
    return {label: int(size * share) for label, share in shares.items()}


def _exactly(number: float) -> Fraction:
    """The number that was written, so that 0.3 is three times 0.1."""
    return Fraction(str(number))


class Priorities:
    """Which samples of each entry go first.

    The first sample of every video goes before the second one of any; otherwise a hash decides.
    Takes 8 bytes of memory for a sample.

    Args:
        results: of all videos, those of one video next to each other.
        seed: of the run.
    """

    def __init__(self, results: Iterable[Sample | Skip], seed: int) -> None:
        self._of: dict[str, array[int]] = {}
        video, turns = "", Counter[str]()
        for sample in (result for result in results if isinstance(result, Sample)):
            if sample.video_ids[0] != video:
                video, turns = sample.video_ids[0], Counter[str]()
            turn = min(turns[sample.entry], 2**_TURN_BITS - 1)
            turns[sample.entry] += 1
            hashed = digest("kept", seed, sample.entry, video) >> (128 - _HASH_BITS)
            self._of.setdefault(sample.entry, array("Q")).append(turn << _HASH_BITS | hashed)

    def made(self) -> dict[str, int]:
        """Samples of each entry."""
        return {label: len(of) for label, of in self._of.items()}

    def keep(
        self, results: Iterable[Sample | Skip], counts: Mapping[str, int]
    ) -> Iterator[Sample | Skip]:
        """The same results without the samples beyond the counts.

        Args:
            results: the ones that the priorities are of, in the same order.
            counts: for each entry, how many samples are kept; all where it is not named.
        """
        kept = {label: _smallest(of, counts.get(label)) for label, of in self._of.items()}
        places = Counter[str]()
        for result in results:
            if isinstance(result, Sample):
                places[result.entry] += 1
                if not kept[result.entry][places[result.entry] - 1]:
                    continue
            yield result

    def summary(self, counts: Mapping[str, int]) -> dict[str, Any]:
        """For each entry: how many samples were wanted, are kept, were left out, are missing."""
        made = self.made()
        rows = {}
        for label in sorted({*made, *counts}):
            here = made.get(label, 0)
            wanted = counts.get(label, here)
            rows[label] = {
                "wanted": wanted,
                "kept": min(here, wanted),
                "surplus": max(0, here - wanted),
                "missing": max(0, wanted - here),
            }
        return rows


def _smallest(priorities: array[int], count: int | None) -> Any:
    """A mask of the `count` smallest ones; the earlier of two equal ones."""
    kept = np.ones(len(priorities), bool)
    if count is not None:
        order = np.argsort(np.frombuffer(priorities, np.uint64), kind="stable")
        kept[order[count:]] = False
    return kept
