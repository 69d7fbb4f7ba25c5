"""Scores of one item that several benchmarks share. That of an interval is `iou` of anomaly.py."""

from __future__ import annotations

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
