from __future__ import annotations

import numpy as np

from kuleshov.audit.auc import auc
from kuleshov.audit.learn import out_of_fold

VIDEOS = np.repeat(np.arange(40), 10)
LABELS = np.random.default_rng(0).random(400) < 0.4


def test_what_is_in_the_features_is_found() -> None:
    rng = np.random.default_rng(1)
    smooth = LABELS + rng.normal(size=400)
    assert auc(out_of_fold(smooth[:, None], LABELS, VIDEOS), LABELS) > 0.7
    # No line separates what lies within a band from what lies on both sides of it.
    band = np.where(LABELS, rng.uniform(-1, 1, 400), rng.choice([-2, 2], 400))
    assert auc(out_of_fold(band[:, None], LABELS, VIDEOS), LABELS) > 0.95


def test_what_is_learnt_of_a_video_is_not_used_on_it() -> None:
    # The video's number tells its labels, but only to who has seen them.
    labels = np.repeat(np.random.default_rng(2).random(40) < 0.5, 10)
    scores = out_of_fold(np.eye(40)[VIDEOS], labels, VIDEOS)
    assert auc(scores, labels) < 0.6


def test_features_that_never_vary_tell_nothing() -> None:
    assert set(out_of_fold(np.ones((400, 3)), LABELS, VIDEOS)) == {0.5}
