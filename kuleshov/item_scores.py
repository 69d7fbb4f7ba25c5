"""Scores of one item that several benchmarks share. That of an interval is `iou` of anomaly.py.

ROUGE (Lin, 2004) here does not stem words. Published figures are mostly of the package rouge_score
with its Porter stemmer, to which "runs" and "running" are one word; these are a little lower, and
reported as unstemmed.
"""

from __future__ import annotations

import re
from collections import Counter

THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
"""0.5, 0.55, ..., 0.95."""


def relative_accuracy(given: float, truth: float) -> float:
    """Mean relative accuracy of a number (VSI-Bench, arXiv 2412.14171).

    Mean over the thresholds t of 1[|given - truth| / |truth| <= 1 - t]. A border counts as within,
    whatever its last bits; the published code was not at hand to see what it does there. Where the
    truth is 0 only 0 is right (ours).

    >>> relative_accuracy(9, 10)  # 10 % off: within all but the last
    0.9
    """
    if truth == 0:
        return float(given == 0)
    off = abs(given - truth) / abs(truth)
    return sum(off <= 1 - t + 1e-9 for t in THRESHOLDS) / len(THRESHOLDS)


def words(text: str) -> list[str]:
    """Letters a to z and digits in lower case, as rouge_score takes them."""
    return re.findall(r"[a-z0-9]+", text.lower())


def rouge_n(given: str, truth: str, n: int) -> float:
    """F1 of the n-grams that both have, in [0, 1].

    >>> rouge_n("the cat sat", "the cat ran", 1) == 2 / 3
    True
    """
    one, two = (_grams(words(text), n) for text in (given, truth))
    return _f1((one & two).total(), one.total(), two.total())


def rouge_l(given: str, truth: str) -> float:
    """F1 of the longest sequence of words that both have in this order, in [0, 1].

    >>> rouge_l("a b c d", "a c e d") == 3 / 4
    True
    """
    one, two = words(given), words(truth)
    row = [0] * (len(two) + 1)
    for word in one:
        before = row
        row = [0]
        for place, other in enumerate(two):
            same = before[place] + 1 if word == other else 0
            row.append(max(same, row[-1], before[place + 1]))
    return _f1(row[-1], len(one), len(two))


def _grams(found: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(found[i : i + n]) for i in range(len(found) - n + 1))


def _f1(common: int, given: int, truth: int) -> float:
    return 2 * common / (given + truth) if common else 0.0
