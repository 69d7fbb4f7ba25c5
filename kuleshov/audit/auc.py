"""How well scores tell two groups apart, and how sure that is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuleshov.randomness import rng_for

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

Z = 4.0
"""Half-width of an interval in standard errors (ours): 99.994 %. An audit of all tasks asks some
300 questions, each with a chance of 3 in 100,000 to be a false alarm: 1 % for all together."""

_DRAWS = 200
"""Of a bootstrap: its standard error is then known to 5 %."""


def auc(scores: Floats, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Floats:
    """Area under the ROC curve: the probability that a true row scores above a false one.

    Equal scores count half (Mann-Whitney). 0.5 where one of the groups is empty.

    Args:
        scores: of shape (rows,).
        labels: of shape (..., rows), 0 or 1.
        weights: of shape (..., rows); how often each row counts, once by default.

    Returns:
        Of the shape of `labels` and `weights`, broadcast, without the last axis.

    >>> float(auc(np.array([0.1, 0.4, 0.4, 0.8]), [0, 0, 1, 1]))
    0.875
    """
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])  # of runs of equal scores
    true = np.asarray(labels, dtype=np.float64)[..., order]
    weight = np.ones(true.shape) if weights is None else np.asarray(weights, float)[..., order]
    positive = np.add.reduceat(true * weight, starts, axis=-1)
    negative = np.add.reduceat((1 - true) * weight, starts, axis=-1)
    below = np.cumsum(negative, axis=-1) - negative
    pairs = positive.sum(axis=-1) * negative.sum(axis=-1)
    won = (positive * (below + negative / 2)).sum(axis=-1)
    result: Floats = np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1), 0.5)
    return result


def video_counts(videos: Ints, *key: str) -> Floats:
    """How often each video is drawn, in bootstrap draws with replacement: (draws, videos)."""
    number = int(videos.max()) + 1
    drawn = rng_for("audit", "bootstrap", *key).integers(number, size=(_DRAWS, number))
    counts: Floats = np.stack([np.bincount(draw, minlength=number) for draw in drawn]).astype(float)
    return counts


def interval(scores: Floats, labels: Bools, videos: Ints, *key: str) -> tuple[float, float]:
    """`auc`, with Z standard errors to both sides, by bootstrap over videos.

    Normal and not of percentiles, which far out in the tails would take very many draws.

    Args:
        scores: of shape (rows,).
        labels: likewise.
        videos: the video of each row, as 0, 1, ...
        key: what names the draws.
    """
    counts = video_counts(videos, *key)
    spread = Z * float(auc(scores, labels, counts[:, videos]).std(ddof=1))
    middle = float(auc(scores, labels))
    return max(0.0, middle - spread), min(1.0, middle + spread)


def mean_interval(values: Floats, videos: Ints, *key: str) -> tuple[float, float]:
    """The same for a mean of values in [0, 1]."""
    counts = video_counts(videos, *key)
    weights = counts[:, videos]
    spread = Z * float(((weights * values).sum(axis=1) / weights.sum(axis=1)).std(ddof=1))
    middle = float(values.mean())
    return max(0.0, middle - spread), min(1.0, middle + spread)
