"""Tests of whether two models differ on the same items."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kuleshov.evaluate.statistics.reported import Floats

EXACT_UP_TO = 16
"""Videos with a difference whose 2^n flips are all looked at; of more, a sample is drawn."""


class McNemar(NamedTuple):
    """Items that changed sides, and the two-sided p of as uneven a split."""

    gained: int
    lost: int
    p: float


def mcnemar(before: npt.ArrayLike, after: npt.ArrayLike) -> McNemar:
    """Exact McNemar test: of the items that one model alone gets right, is each as often it?

    p = min(1, 2 P(X <= min(gained, lost))) for X of the binomial (gained + lost, 1/2).

    It takes items for independent. Where a video has several, `sign_flip` over videos is the test
    to believe.

    Args:
        before: whether each item is right, (items,).
        after: likewise.
    """
    first, second = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    gained, lost = int((~first & second).sum()), int((first & ~second).sum())
    n = gained + lost
    # C(n, 0) + C(n, 1) + ..., each from the one before.
    tail, ways = 0, 1
    for i in range(min(gained, lost) + 1):
        tail += ways
        ways = ways * (n - i) // (i + 1)
    return McNemar(gained, lost, min(1.0, 2 * tail / 2**n))


def sign_flip(contributions: npt.ArrayLike, draws: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of a sum, if each video's part of it could as well have the other sign.

    That is so where the two models do equally well: which of them is called the first is then of
    no matter, and is drawn anew for each video with all of its items. Exact for up to
    `EXACT_UP_TO` videos with a difference, else (1 + draws as large) / (1 + draws). With one
    binary item for each video this is the exact McNemar test.

    Args:
        contributions: what each video adds to the difference, (videos,).
        draws: of signs, where not all are looked at.
        seed: of the draws.
    """
    parts = np.asarray(contributions, dtype=np.float64)
    parts = parts[np.abs(parts) > 1e-15]
    # Sums in another order differ in their last bits, and a tie counts as large as it is.
    least = abs(parts.sum()) * (1 - 1e-9)
    if len(parts) <= EXACT_UP_TO:
        flips = np.arange(2 ** len(parts))[:, None] >> np.arange(len(parts)) & 1
        return float((np.abs(_sums(flips, parts)) >= least).mean())
    rng = np.random.default_rng(seed)
    step = max(1, 4_000_000 // len(parts))
    large = 0
    for start in range(0, draws, step):
        flips = rng.integers(2, size=(min(step, draws - start), len(parts)), dtype=np.int8)
        large += int((np.abs(_sums(flips, parts)) >= least).sum())
    return (1 + large) / (1 + draws)


def _sums(flips: npt.NDArray[np.signedinteger], parts: Floats) -> Floats:
    sums: Floats = parts.sum() - 2 * (flips @ parts)
    return sums
