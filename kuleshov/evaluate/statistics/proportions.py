"""Intervals where a bootstrap shows no spread, because nothing was seen to vary."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share.

    (p + z^2 / 2n ± z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)   with p = right / n

    For n independent items. Where items share videos, the bootstrap is to be preferred, except at
    0 and n, where it has no width: see `alike`.

    Args:
        right: how many of them are right, 0 to n.
        n: items, 1 or more.
        level: of confidence.

    >>> [round(end, 4) for end in wilson(0, 10)]
    [0.0, 0.2775]
    """
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    p = right / n
    middle, half = p + z2 / (2 * n), sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n)))
    low, high = (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)
    return (low if right else 0.0), (high if right < n else 1.0)


def alike(
    value: float, videos: int, bounds: tuple[float, float], level: float = 0.95
) -> tuple[float, float]:
    """An interval of a figure that is the same in every draw: all videos are alike.

    None of n videos differed, so by Wilson at 0 of n up to a share u of all videos may, and these
    could have any value within the bounds. A share of 0 or n right thus has its Wilson interval,
    with the number of videos for n: questions about one video may all stand or fall together
    (ours; the field counts items, and is too sure).

    Args:
        value: of the figure.
        videos: how many were seen.
        bounds: the lowest and the highest value that it can have.
        level: of confidence.

    >>> [round(end, 4) for end in alike(1.0, 10, (0.0, 1.0))]
    [0.7225, 1.0]
    """
    other = wilson(0, videos, level)[1]
    low, high = bounds
    return (1 - other) * value + other * low, (1 - other) * value + other * high
