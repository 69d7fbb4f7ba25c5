"""Statistics of scores: how large, how sure, and how much a difference means.

    reported.py      the figure that is reported: a mean, a mean over groups, all of a set right
    bootstrap.py     its interval, by drawing source videos
    proportions.py   intervals where nothing varies
    paired.py        a difference between two models on the same items
    significance.py  exact McNemar, sign flips over videos
    multiple.py      p-values of several benchmarks together
    power.py         how small a difference could have been seen

Questions about the same video are not independent, so videos are drawn and not items. Only numpy
is needed; the tests hold the figures against those of scipy and statsmodels.
"""

from __future__ import annotations

from kuleshov.evaluate.statistics.bootstrap import MIN_VIDEOS, Estimate, estimate
from kuleshov.evaluate.statistics.multiple import holm
from kuleshov.evaluate.statistics.paired import Difference, paired_difference, seed_warning
from kuleshov.evaluate.statistics.power import minimum_detectable
from kuleshov.evaluate.statistics.proportions import wilson
from kuleshov.evaluate.statistics.reported import Reported, all_right, macro, micro
from kuleshov.evaluate.statistics.significance import McNemar, mcnemar, sign_flip

__all__ = [
    "MIN_VIDEOS",
    "Difference",
    "Estimate",
    "McNemar",
    "Reported",
    "all_right",
    "estimate",
    "holm",
    "macro",
    "mcnemar",
    "micro",
    "minimum_detectable",
    "paired_difference",
    "seed_warning",
    "sign_flip",
    "wilson",
]
