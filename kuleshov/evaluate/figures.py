"""What a benchmark reports of scores of its samples, and what a sample says for it.

    items       mean over samples
    tasks       mean over entries of the recipe of the means of their samples
    sets        share of sets of which every sample is right (provenance "set"), by entry

A benchmark from elsewhere says in a sample's provenance what its task does not know:

    source        what its video was cut from, if several samples' videos come from one film
    set           the name of the pair, four, or circle of options that the sample is part of
    about_order   whether the answer is an order or a direction; else its task says so
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kuleshov.errors import UsageError
from kuleshov.evaluate.statistics.reported import Floats, Reported, all_right, macro, micro
from kuleshov.sample import Sample
from kuleshov.tasks import task_of


class Figure(NamedTuple):
    """What is reported.

    Args:
        report: from scores of (samples, columns), and the samples.
        chance: the figure of answers drawn from the tasks' priors, in the long run.
    """

    report: Callable[[npt.ArrayLike, Sequence[Sample]], Reported]
    chance: Callable[[Sequence[Sample]], float]


def about_order(samples: Sequence[Sample]) -> list[bool]:
    return [bool(s.provenance.get("about_order", task_of(s).about_order)) for s in samples]


def right_from(samples: Sequence[Sample]) -> list[float]:
    """The least score of each sample that is right."""
    return [task_of(sample).right_from for sample in samples]


def _items(scores: npt.ArrayLike, samples: Sequence[Sample]) -> Reported:
    return micro(scores, [sample.source for sample in samples])


def _tasks(scores: npt.ArrayLike, samples: Sequence[Sample]) -> Reported:
    return macro(scores, [s.source for s in samples], [s.entry for s in samples])


def _sets(scores: npt.ArrayLike, samples: Sequence[Sample]) -> Reported:
    """By each sample's own measure of right; one with repeats has to be right in all of them."""
    if lone := [sample.id for sample in samples if "set" not in sample.provenance]:
        raise UsageError(
            f"{len(lone)} samples, such as {lone[0]}, are in no set, so no share of sets can be "
            "reported; report items or tasks"
        )
    table: Floats = np.asarray(scores, dtype=np.float64)
    least = np.reshape(right_from(samples), (-1, *[1] * (table.ndim - 1)))
    sources, names = [s.source for s in samples], [s.provenance["set"] for s in samples]
    return all_right(table >= least - 1e-9, sources, names, [s.entry for s in samples])


def _mean_chance(
    report: Callable[[npt.ArrayLike, Sequence[Sample]], Reported], samples: Sequence[Sample]
) -> float:
    return float(report([sample.chance for sample in samples], samples).value()[0])


def _chance_of_sets(samples: Sequence[Sample]) -> float:
    """That independent guesses hit all of a set, where a score is 0 or 1."""
    sets: dict[str, dict[str, float]] = {}
    for s in samples:
        shares = sets.setdefault(s.entry, {})
        shares[s.provenance["set"]] = shares.get(s.provenance["set"], 1.0) * s.chance
    return float(np.mean([np.mean(list(shares.values())) for shares in sets.values()]))


FIGURES: dict[str, Figure] = {
    "items": Figure(_items, lambda samples: _mean_chance(_items, samples)),
    "tasks": Figure(_tasks, lambda samples: _mean_chance(_tasks, samples)),
    "sets": Figure(_sets, _chance_of_sets),
}
