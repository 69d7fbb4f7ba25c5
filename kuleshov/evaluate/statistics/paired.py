"""How much better one model is than another, on the same items."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kuleshov.evaluate.statistics.bootstrap import DRAWS, bootstrap, percentiles
from kuleshov.evaluate.statistics.power import minimum_detectable
from kuleshov.evaluate.statistics.reported import Reported
from kuleshov.evaluate.statistics.significance import sign_flip


class Difference(NamedTuple):
    """A paired difference of reported figures.

    Args:
        before: the figure of the first model.
        after: of the second, the mean over its training seeds.
        value: after minus before.
        interval: 95 %, None if there are too few videos.
        p: two-sided, by sign flips over videos.
        detectable: the least true difference that is found in 80 % of such evaluations; None if
            there are too few videos, or no two of them differ, so that it cannot be told.
        videos: that were drawn from.
    """

    before: float
    after: float
    value: float
    interval: tuple[float, float] | None
    p: float
    detectable: float | None
    videos: int


def paired_difference(reported: Reported, draws: int = DRAWS, seed: int = 0) -> Difference:
    """The difference between the first column and the others, with a bootstrap over videos.

    In each draw as many videos are drawn with replacement as there are, and both figures are
    taken again from the same ones. With several training seeds these are drawn again as well, so
    that the interval covers how training varies. The sign flips know videos only: they are about
    these trained models, whatever their seeds.

    Args:
        reported: the first model, then the second one, once for each training seed.
        draws: bootstrap draws.
        seed: of the draws.
    """
    first, *others = reported.value()
    after = float(np.mean(others))
    value = after - float(first)
    drawn = bootstrap(reported, draws, seed)
    seeds = len(others)
    chosen = np.random.default_rng([seed, seeds]).integers(1, seeds + 1, size=(len(drawn), seeds))
    gains = np.take_along_axis(drawn, chosen, axis=1).mean(axis=1) - drawn[:, 0]
    interval = percentiles(gains, value, reported.videos, (-1.0, 1.0))
    varies = interval is not None and float(np.ptp(gains)) >= 1e-12
    parts = reported.contributions()
    return Difference(
        before=float(first),
        after=after,
        value=value,
        interval=interval,
        p=sign_flip(parts[:, 1:].mean(axis=1) - parts[:, 0], draws, seed),
        detectable=minimum_detectable(float(gains.std(ddof=1))) if varies else None,
        videos=reported.videos,
    )


def seed_warning(seeds: int) -> str | None:
    """What an interval leaves out with one training seed; None with more.

    Args:
        seeds: trained models that differ in nothing but the seed of their training.
    """
    if seeds > 1:
        return None
    return (
        "1 training seed: the interval covers other videos, not how training varies; train with "
        "more seeds before a small difference is believed"
    )
