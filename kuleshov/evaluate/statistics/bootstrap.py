"""Intervals by resampling source videos, each with all of its items."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kuleshov.evaluate.statistics.proportions import alike
from kuleshov.evaluate.statistics.reported import Floats, Reported

MIN_VIDEOS = 10
"""With fewer videos no interval is given: it would be too narrow and look like knowledge."""

DRAWS = 10_000
_AT_ONCE = 4_000_000
"""Weights in memory together."""


class Estimate(NamedTuple):
    """A figure with its 95 % interval, None if there are too few videos."""

    value: float
    interval: tuple[float, float] | None
    videos: int


def bootstrap(reported: Reported, draws: int = DRAWS, seed: int = 0) -> Floats:
    """The reported figures anew, in draws of as many videos with replacement as there are.

    Args:
        reported: the figures.
        draws: how many.
        seed: of the draws; the same one draws the same videos for figures of the same videos.

    Returns:
        (draws, columns).
    """
    rng = np.random.default_rng(seed)
    videos = reported.videos
    step = max(1, _AT_ONCE // videos)
    parts = []
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        drawn = rng.integers(videos, size=(rows, videos)) + videos * np.arange(rows)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=rows * videos).reshape(rows, videos)
        parts.append(reported.weighted(weights))
    return np.concatenate(parts)


def percentiles(
    drawn: Floats, value: float, videos: int, bounds: tuple[float, float]
) -> tuple[float, float] | None:
    """The middle 95 % of draws; None with fewer than `MIN_VIDEOS` videos.

    Where all draws are the same, as with no or all items right, see `alike`.

    Args:
        drawn: the figure in each draw: (draws,).
        value: the figure itself.
        videos: how many were drawn from.
        bounds: the lowest and the highest value that it can have.
    """
    if videos < MIN_VIDEOS:
        return None
    if np.ptp(drawn) < 1e-12:
        return alike(value, videos, bounds)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def estimate(reported: Reported, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """The figure of the first column, of scores in [0, 1], with its interval.

    Args:
        reported: the figure.
        draws: bootstrap draws.
        seed: of the draws.
    """
    value = float(reported.value()[0])
    drawn = bootstrap(reported, draws, seed)[:, 0]
    return Estimate(value, percentiles(drawn, value, reported.videos, (0, 1)), reported.videos)
