from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kuleshov.audit.cuts import judged, shown_cuts
from kuleshov.audit.findings import Probed
from kuleshov.tasks.jigsaw import Jigsaw
from kuleshov.tasks.task import Part, Unit
from tests.audit.samples import a_sample, evidence, looked

PAIR = Unit((Part(0, 0, 4), Part(1, 0, 4)), True)
MATCHED = Probed("jigsaw", "boundary", "set", 0.9, 0.5, (0.8, 1.0), 30, "triviality", False)


@pytest.mark.parametrize(("gap", "shows"), [(1, 0.5), (2, 1.0), (0, 0.0)])
def test_a_cut_shows_if_it_jumps_further_than_a_step(gap: int, shows: float) -> None:
    # Brightness rises by 10 from frame to frame, and over the cut by 10 * gap.
    values = [0, 10, 20, 30, *(30 + 10 * (gap + i) for i in range(4))]
    frames = np.repeat(np.array(values, np.uint8), 16 * 16 * 3).reshape(8, 16, 16, 3)
    sample = replace(a_sample(Jigsaw()), media=a_sample(Jigsaw()).media[:2])
    found = shown_cuts(evidence(sample, [frames[:4], frames[4:]], [PAIR]))
    assert found is not None and found.tolist() == [shows]


@pytest.mark.parametrize(("shows", "verdict"), [(0.5, "leak"), (1.0, "triviality")])
def test_matching_is_a_leak_only_where_cuts_do_not_show(shows: float, verdict: str) -> None:
    ones = [looked(a_sample(Jigsaw()), video, []) for video in range(30)]
    for one in ones:
        one.cuts = np.full(5, shows)
    result = judged(MATCHED, ones)
    assert result.verdict == verdict
    assert result.why.startswith(f"{shows:.2f} of the cuts show")


def test_what_does_not_beat_chance_is_no_leak_however_clips_are_cut() -> None:
    ones = [looked(a_sample(Jigsaw()), video, []) for video in range(30)]
    for one in ones:
        one.cuts = np.full(5, 0.5)
    nothing = replace(MATCHED, verdict="nothing")
    assert judged(nothing, ones) == nothing
