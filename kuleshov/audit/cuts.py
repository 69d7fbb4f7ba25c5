"""Do the cuts between clips show?

Clips that follow each other can be matched by their touching frames. How far that gets is a
figure of the content, which drifts: neighbours are more alike than others, however they were cut.
What is wrong is a cut that is like any other step of the video: then the order is found by
looking for a step, and nothing that happens need be seen. So matching of touching frames is a leak
where it beats chance and the cuts do not show.

A cut shows where the jump over it is larger than the mean step inside of its two clips. Without
trimming that is so for half of the cuts; `SHOWN` is half way from there to all of them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from kuleshov.audit.auc import Floats, mean_interval
from kuleshov.audit.evidence import Evidence
from kuleshov.audit.findings import Probed
from kuleshov.audit.leaks import Looked
from kuleshov.audit.probes import jump

SHOWN = 0.75
"""Share of true cuts that must show, at the lower end of its interval (ours)."""


def shown_cuts(seen: Evidence) -> Floats | None:
    """For each true unit of two items whether the cut between them shows: 1, 0, or 1/2 if equal.

    None where the units are not about pairs of items.
    """
    if not all(len(u.parts) == 2 and u.parts[0].item != u.parts[1].item for u in seen.units):
        return None
    shows = []
    for one, other in (unit.parts for unit in seen.units if unit.label):
        before, after = seen.of(seen.small, one), seen.of(seen.small, other)
        steps = [jump(*step) for clip in (before, after) for step in pairwise(clip)]
        over = jump(before[-1], after[0])
        shows.append((1 + np.sign(over - np.mean(steps))) / 2 if steps else 1.0)
    return np.array(shows, dtype=np.float64)


def judged(matching: Probed, looked: list[Looked]) -> Probed:
    """What boundary matching on the set means, given whether the cuts show.

    Args:
        matching: the probe's outcome, a triviality if it beats chance.
        looked: the samples, of which some have cuts.
    """
    with_cuts = [one for one in looked if one.cuts is not None and len(one.cuts)]
    if matching.verdict != "triviality" or not with_cuts:
        return matching
    shows = np.concatenate([one.cuts for one in with_cuts if one.cuts is not None])
    names = np.unique([one.sample.video_ids[0] for one in with_cuts], return_inverse=True)[1]
    counts = [len(one.cuts) for one in with_cuts if one.cuts is not None]
    low, high = mean_interval(shows, np.repeat(names, counts), matching.task, "cuts")
    figures = f"{shows.mean():.2f} of the cuts show ({low:.2f} to {high:.2f}; needs {SHOWN:g})"
    if low > SHOWN:
        return replace(matching, why=figures)
    return replace(matching, verdict="leak", judged=True, why=figures)
