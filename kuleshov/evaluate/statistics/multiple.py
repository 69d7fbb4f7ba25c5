"""Several benchmarks at once: one of many is better by luck."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def holm(ps: Mapping[Name, float]) -> dict[Name, float]:
    """Holm's step-down correction: the chance of one or more false finds stays below the level.

    The i-th smallest of m p-values, i from 0, is multiplied by m - i, is not less than the one
    before it, and not more than 1 (Holm 1979).

    Args:
        ps: a p-value for each benchmark.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    corrected: dict[Name, float] = {}
    largest = 0.0
    for i, name in enumerate(sorted(ps, key=lambda name: ps[name])):
        largest = max(largest, min(1.0, (len(ps) - i) * ps[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in ps}
