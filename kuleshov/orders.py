"""How well K picks in order agree with the true ones: rewards of order, and what luck earns.

A sequence is K different numbers out of a pool of P; the truth is one such sequence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import combinations
from math import comb, factorial, fsum, perm, prod
from typing import final


class OrderReward(ABC):
    """1 for the truth, and less, but at least 0, for every other sequence."""

    @abstractmethod
    def __call__(self, answer: Sequence[int], truth: Sequence[int]) -> float:
        """The reward of an answer of as many numbers as the truth."""

    @abstractmethod
    def chance(self, length: int, pool: int) -> float:
        """Its mean over all sequences of `length` out of `pool` numbers."""


@final
class Position(OrderReward):
    """Share of numbers at their place."""

    def __call__(self, answer: Sequence[int], truth: Sequence[int]) -> float:
        return sum(a == b for a, b in zip(answer, truth, strict=True)) / len(truth)

    def chance(self, length: int, pool: int) -> float:
        return 1 / pool


@final
class Prefix(OrderReward):
    """Share of numbers before the first wrong one."""

    def __call__(self, answer: Sequence[int], truth: Sequence[int]) -> float:
        agree = [a == b for a, b in zip(answer, truth, strict=True)]
        return (agree.index(False) if False in agree else len(agree)) / len(truth)

    def chance(self, length: int, pool: int) -> float:
        # At least j are right with probability (P - j)! / P!.
        return fsum(1 / perm(pool, j) for j in range(1, length + 1)) / length


@final
class Lcs(OrderReward):
    """Length of the longest common subsequence, as a share."""

    def __call__(self, answer: Sequence[int], truth: Sequence[int]) -> float:
        # Distinct numbers: it is the longest increasing run of places.
        places = [truth.index(number) for number in answer if number in truth]
        longest: list[int] = []
        for i, place in enumerate(places):
            longest.append(1 + max((longest[j] for j in range(i) if places[j] < place), default=0))
        return max(longest, default=0) / len(truth)

    def chance(self, length: int, pool: int) -> float:
        # `hits` of the numbers are true ones (hypergeometric), in any order equally likely.
        total = 0.0
        for hits in range(1, length + 1):
            share = comb(length, hits) * comb(pool - length, length - hits) / comb(pool, length)
            total += share * longest_increasing(hits)
        return total / length


@final
class Pairs(OrderReward):
    """Share of pairs in the right order; a pair of which one is missing is not. One alone: place.

    This is (Kendall's tau + 1) / 2 where nothing is missing.
    """

    def __call__(self, answer: Sequence[int], truth: Sequence[int]) -> float:
        if len(truth) == 1:
            return float(answer[0] == truth[0])
        places = [truth.index(number) for number in answer if number in truth]
        in_order = sum(a < b for a, b in combinations(places, 2))
        return in_order / comb(len(truth), 2)

    def chance(self, length: int, pool: int) -> float:
        # Both of a pair are picked, and one of the two orders is right.
        return 1 / pool if length == 1 else perm(length, 2) / perm(pool, 2) / 2


ORDERS: dict[str, OrderReward] = {
    "position": Position(),
    "prefix": Prefix(),
    "lcs": Lcs(),
    "pairs": Pairs(),
}


def longest_increasing(n: int) -> float:
    """Mean length of the longest increasing subsequence of a random permutation of n.

    Robinson-Schensted: with the first row of a Young diagram as the length, a diagram with f
    standard tableaux (hook length formula) belongs to f * f of the n! permutations.

    >>> longest_increasing(3)
    2.0
    """
    total = 0
    for rows in _partitions(n, n):
        columns = [sum(row > j for row in rows) for j in range(rows[0])]
        hooks = prod(row - j + columns[j] - i - 1 for i, row in enumerate(rows) for j in range(row))
        total += rows[0] * (factorial(n) // hooks) ** 2
    return total / factorial(n)


def _partitions(n: int, most: int) -> Iterator[list[int]]:
    """Falling sequences of whole numbers, at most `most`, with the sum n."""
    if n == 0:
        yield []
    for first in range(min(n, most), 0, -1):
        for rest in _partitions(n - first, first):
            yield [first, *rest]
