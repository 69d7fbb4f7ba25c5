"""Intervals by resampling videos: questions about the same video are not independent."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MIN_VIDEOS = 10
"""With fewer videos no interval is given: it would be too narrow and look like knowledge."""


class Difference(NamedTuple):
    """Mean of paired differences with its 95 % interval, None if there are too few videos."""

    mean: float
    interval: tuple[float, float] | None
    videos: int


def paired_difference(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    videos: npt.ArrayLike,
    draws: int = 10_000,
    seed: int = 0,
) -> Difference:
    """How much better `after` is, with a percentile bootstrap over videos.

    In each draw as many videos are drawn with replacement as there are, each with all of its
    items, and the mean difference over the items is taken again.

    Args:
        before: score of each item.
        after: score of the same items, in the same order.
        videos: the video that each item belongs to.
        draws: bootstrap draws.
        seed: of the draws.
    """
    names, which = np.unique(np.asarray(videos), return_inverse=True)
    gain = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    mean = float(gain.mean())
    if len(names) < MIN_VIDEOS:
        return Difference(mean, None, len(names))
    totals = np.bincount(which, weights=gain)
    counts = np.bincount(which)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(names), size=(draws, len(names)))
    means = totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Difference(mean, (float(low), float(high)), len(names))
