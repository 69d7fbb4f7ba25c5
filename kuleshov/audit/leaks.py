"""Which cue beats chance where it must not.

A probe's features are learnt from the videos of other folds and scored by the area under the
ROC curve. Chance is measured: the same scores against the labels of other samples, so that what
a unit's place alone tells (a segment rarely covers the first frame) is not counted. A leak is a
probe whose interval lies above chance by more than `MARGIN` on what it is judged on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from kuleshov.audit.auc import Bools, Floats, Ints, auc, interval
from kuleshov.audit.findings import Probed, Verdict
from kuleshov.audit.learn import out_of_fold
from kuleshov.audit.probes import NUMBER
from kuleshov.randomness import rng_for
from kuleshov.sample import Sample
from kuleshov.tasks import task_of
from kuleshov.tasks.task import Unit

MARGIN = 0.02
"""Of the area under the curve (ours): what is found within it is of no use to anybody."""

MIN_VIDEOS = 20
"""With fewer, a probe that finds nothing says nothing (ours)."""

_EXCHANGES = 50
_GUESSES = 20


@dataclass
class Looked:
    """What is kept of a sample after its pixels are gone: features by probe, (units, features)."""

    sample: Sample
    units: list[Unit]
    on_set: dict[str, Floats] = field(default_factory=dict)
    on_control: dict[str, Floats] = field(default_factory=dict)
    cuts: Floats | None = None


class Rows(NamedTuple):
    """All units of all samples, below each other.

    Args:
        features: (rows, features).
        labels: (rows,).
        videos: (rows,), numbered from 0.
        null: (draws, rows), labels that chance is measured with.
    """

    features: Floats
    labels: Bools
    videos: Ints
    null: Bools


def probed(task: str, probe: str, on: str, rows: Rows, leak: bool) -> Probed:
    """A probe's score and what it means.

    Args:
        task: whose units.
        probe: what the features are called.
        on: "set" or "control".
        rows: features and labels.
        leak: whether more than chance is a leak here, not a triviality.
    """
    scores = out_of_fold(rows.features, rows.labels, rows.videos)
    chance = float(auc(scores, rows.null).mean())
    ends = interval(scores, rows.labels, rows.videos, task, probe, on)
    above = ends[0] > chance + MARGIN
    verdict: Verdict = "nothing" if not above else "leak" if leak else "triviality"
    return Probed(
        task,
        probe,
        "control" if on == "control" else "set",
        float(auc(scores, rows.labels)),
        chance,
        ends,
        int(rows.videos.max()) + 1,
        verdict,
        leak,
    )


def unit_rows(
    looked: Sequence[Looked], features: Sequence[Floats | None], guessed: bool
) -> Rows | None:
    """The units of those samples that have these features, with labels for chance.

    Args:
        looked: samples of one task.
        features: of each sample's units, (units, features).
        guessed: measure chance with the labels of guessed answers, where labels follow the
            answer, and so take the declared prior as the yardstick; else, and if False, with
            the labels of other samples.
    """
    pairs = [(a, b) for a, b in zip(looked, features, strict=True) if b is not None]
    if not pairs:
        return None
    orders = [_order(one.units) for one, _ in pairs]
    shared = all(_same_parts(one.units) for one, _ in pairs)
    most = max(map(len, orders))
    blocks = [
        _interacted(found[order], most) if shared else _relative(found[order])
        for (_, found), order in zip(pairs, orders, strict=True)
    ]
    labels = [
        np.array([one.units[i].label for i in order])
        for (one, _), order in zip(pairs, orders, strict=True)
    ]
    videos = np.unique([one.sample.video_ids[0] for one, _ in pairs], return_inverse=True)[1]
    null = _guessed([one for one, _ in pairs], orders) if guessed else None
    return Rows(
        np.concatenate(blocks),
        np.concatenate(labels),
        np.repeat(videos, [len(order) for order in orders]),
        _exchanged(labels) if null is None else null,
    )


def follows_answer(looked: Sequence[Looked]) -> bool:
    """Whether labels differ from answer to answer, so that the prior says how likely each is."""
    return _guessed(looked, [_order(one.units) for one in looked]) is not None


def _exchanged(labels: Sequence[Bools]) -> Bools:
    """Labels of other samples with as many units."""
    sizes = np.array([len(each) for each in labels])
    rng = rng_for("audit", "exchange")
    draws = []
    for _ in range(_EXCHANGES):
        source = np.arange(len(labels))
        for size in np.unique(sizes):
            here = np.flatnonzero(sizes == size)
            source[here] = rng.permutation(here)
        draws.append(np.concatenate([labels[i] for i in source.tolist()]))
    return np.stack(draws)


def _guessed(looked: Sequence[Looked], orders: Sequence[Sequence[int]]) -> Bools | None:
    """Labels of guessed answers, or None if they are the same for every answer."""
    draws: list[list[bool]] = [[] for _ in range(_GUESSES)]
    same = True
    for one, order in zip(looked, orders, strict=True):
        task, rng = task_of(one.sample), rng_for("audit", "guess", one.sample.id)
        for draw in draws:
            guess = replace(one.sample, answer=task.guess(one.sample, rng))
            units = task.units(guess)
            draw += [units[i].label for i in order]
            same = same and units == one.units
    return None if same else np.array(draws)


def _order(units: Sequence[Unit]) -> list[int]:
    """The units as they are, but options by their number and text, so that like is with like."""
    if not (all(unit.text for unit in units) and _same_parts(units)):
        return list(range(len(units)))

    def key(i: int) -> tuple[float, str]:
        found = NUMBER.search(units[i].text)
        return (float(found.group()) if found else 0.0, units[i].text)

    return sorted(range(len(units)), key=key)


def _same_parts(units: Sequence[Unit]) -> bool:
    return len({unit.parts for unit in units}) == 1


def _interacted(features: Floats, most: int) -> Floats:
    """Where all units are about the same media: a feature may speak for one of them only."""
    block = np.zeros((len(features), most, features.shape[1]))
    for i, row in enumerate(features):
        block[i, i] = row
    places = np.eye(most)[: len(features)]
    return np.concatenate([block.reshape(len(features), -1), features, places], axis=1)


def _relative(features: Floats) -> Floats:
    """With each feature also as it stands among the sample's own units, in standard deviations."""
    spread = features.std(axis=0)
    centred = (features - features.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    return np.concatenate([features, centred], axis=1)
