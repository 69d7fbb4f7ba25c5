"""Which frames of a video stand for it, which of them are hidden, and what is asked beside them.

A frame is its index into unit vectors of shape (frames, dimensions), see features. Two frames
count as the same if the cosine of their vectors is above `max_similarity`.

    key frames    0  1  2  3  4  5  6  7  8      each unlike the one kept before
    runs          .  A  A  .  .  B  B  .  .      hidden; a fair coin says which one is asked for
    shown         0  #  #  3  4        7  8      A is grey, B is cut out
    candidates    1  2  5  6                     A are the targets, B the distractors

A and B are interchangeable: as far from what is shown, as close together. So nothing but where
they belong tells targets from distractors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import ceil
from typing import NamedTuple

import numpy as np

from kuleshov.features import Vectors


class Hidden(NamedTuple):
    """A question about a hidden run.

    Args:
        context: frames of the video that is shown, in order, with the targets in their places.
        targets: the hidden run, in order.
        distractors: the other candidates.
    """

    context: list[int]
    targets: list[int]
    distractors: list[int]


def key_frames(
    vectors: Vectors, steps: Sequence[int], max_similarity: float, most: int
) -> list[int]:
    """Those of `steps` that differ from the one kept before (greedy, as in MVP), at most `most`."""
    keys = [steps[0]]
    for index in steps[1:]:
        if len(keys) == most:
            break
        if vectors[index] @ vectors[keys[-1]] <= max_similarity:
            keys.append(index)
    return keys


def least_for_runs(length: int, distractors: int) -> int:
    """Key frames that `hidden_runs` needs: all runs, and a shown frame on both sides of each.

    >>> least_for_runs(3, 3), least_for_runs(2, 4)
    (9, 10)
    """
    runs = 1 + ceil(distractors / length)
    even = (length + runs + 1) % 2  # what is shown is even in number
    return runs * length + runs + 1 + even


def least_reach_for_runs(length: int, distractors: int) -> int:
    """Key frames between the first and the last run where they are as close as can be.

    >>> least_reach_for_runs(3, 3), least_reach_for_runs(3, 4), least_reach_for_runs(3, 0)
    (1, 5, 0)
    """
    return max(0, ceil(distractors / length) * (length + 1) - length)


def hidden_runs(
    keys: Sequence[int],
    vectors: Vectors,
    *,
    length: int,
    distractors: int,
    reach: int,
    max_similarity: float,
    closest: bool,
    rng: np.random.Generator,
) -> Hidden | None:
    """Hide several runs of key frames; one is asked for, the others give the distractors. Ours.

    The runs are drawn as a set, and then which one is asked for. So a candidate's similarity to
    the frames that are shown is distributed alike for targets and distractors, and where there
    are as many of both, so is how close together they are. Of more hidden frames than are
    wanted as distractors some are left out at random. No hidden frame is like any other key
    frame: two candidates are never the same, none is shown, and none of the distractors could
    fill the gap.

    Args:
        keys: the key frames; the last one is left out where an odd number would be shown.
        vectors: of all frames.
        length: of each run.
        distractors: how many.
        reach: key frames between the first and the last of the runs, at most.
        max_similarity: above it two frames are the same.
        closest: take the runs that look most alike, instead of any.
        rng: draws.

    Returns:
        None if there are no such runs.
    """
    count = 1 + ceil(distractors / length)
    cut = (count - 1) * length
    keys = list(keys)[: cut + (len(keys) - cut) // 2 * 2]  # video models merge frames in pairs
    among = vectors[keys] @ vectors[keys].T
    unlike = (among > max_similarity).sum(axis=1) <= 1  # but itself
    sets = []
    # Starts of `count` runs with a frame before, between and after them.
    for places in combinations(range(len(keys) - 1 - count * length), count):
        starts = [1 + place + i * length for i, place in enumerate(places)]
        inside = [index for start in starts for index in range(start, start + length)]
        if starts[-1] - starts[0] - length <= reach and unlike[inside].all():
            sets.append(starts)
    if not sets:
        return None
    if closest:
        starts = max(sets, key=lambda one: _alike_runs(among, one, length))
    else:
        starts = sets[rng.integers(len(sets))]
    asked = starts[rng.integers(count)]
    others = [keys[s + i] for s in starts if s != asked for i in range(length)]
    chosen = rng.permutation(len(others))[:distractors].tolist()
    return Hidden(
        [key for key in keys if key not in others],
        keys[asked : asked + length],
        [others[i] for i in chosen],
    )


def _alike_runs(among: Vectors, starts: Sequence[int], length: int) -> float:
    """Mean similarity of frames of different runs."""
    pairs = [among[a : a + length, b : b + length].mean() for a, b in combinations(starts, 2)]
    return float(np.mean(pairs)) if pairs else 0.0


def hidden_among_neighbors(
    keys: Sequence[int],
    vectors: Vectors,
    *,
    length: int,
    distractors: int,
    reach: int,
    max_similarity: float,
    closest: bool,
    rng: np.random.Generator,
) -> Hidden | None:
    """Hide one run of key frames; the distractors are frames between the others, as published.

    MVP draws them from the temporal neighbourhood. They are unlike every target and each other;
    those inside of the gap could fill it and are left out. What they are like to is shown right
    beside them, so they are told from the targets without looking at the gap.

    Args:
        keys: the key frames; an odd last one is left out.
        vectors: of all frames, key frames or not.
        length: of the run.
        distractors: how many.
        reach: how many key frames away from the run they may be.
        max_similarity: above it two frames are the same.
        closest: those first that are most like a target, instead of any.
        rng: draws.

    Returns:
        None if there are no such frames.
    """
    keys = list(keys)[: len(keys) // 2 * 2]
    for first in (1 + rng.permutation(len(keys) - length - 1)).tolist():
        last = first + length
        targets = keys[first:last]
        low = keys[max(0, first - 1 - reach)]
        high = keys[min(len(keys) - 1, last + reach)]
        outside = {*range(low, keys[first - 1]), *range(keys[last] + 1, high)} - set(keys)
        order = rng.permutation(sorted(outside)).tolist()
        if closest:
            likeness = (vectors @ vectors[targets].T).max(axis=1)
            order.sort(key=lambda index: -float(likeness[index]))
        chosen: list[int] = []
        for index in order:
            if len(chosen) < distractors:
                others = vectors[targets + chosen]
                if (others @ vectors[index]).max() <= max_similarity:
                    chosen.append(index)
        pairs = combinations(targets, 2)
        distinct = all(vectors[a] @ vectors[b] <= max_similarity for a, b in pairs)
        if distinct and len(chosen) == distractors:
            return Hidden(keys, targets, chosen)
    return None


def least_among_neighbors(length: int, distractors: int) -> int:
    """Key frames that `hidden_among_neighbors` needs: the run and one on both sides, evened."""
    return (length + 3) // 2 * 2


class Source(NamedTuple):
    """Where distractors come from.

    Args:
        hide: finds a hidden run and distractors.
        least: key frames that it needs, given the numbers of targets and distractors.
        reach: the least `reach` that it needs, given the same.
        per_step: frames to look at for each step between possible key frames.
    """

    hide: Callable[..., Hidden | None]
    least: Callable[[int, int], int]
    reach: Callable[[int, int], int]
    per_step: int


SOURCES = {
    "between": Source(hidden_among_neighbors, least_among_neighbors, lambda *numbers: 1, 2),
    "runs": Source(hidden_runs, least_for_runs, least_reach_for_runs, 1),
}
