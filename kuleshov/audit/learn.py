"""A probe's score on videos that it was not fitted to; the one place that imports scikit-learn."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from kuleshov.audit.auc import Bools, Floats, Ints

_FOLDS = 4


def available() -> bool:
    """Whether scikit-learn is installed: `pip install 'kuleshov[audit]'`."""
    return find_spec("sklearn") is not None


def out_of_fold(features: Floats, labels: Bools, videos: Ints) -> Floats:
    """For each row the probability of "true", by a model fitted to the rows of other videos.

    Args:
        features: of shape (rows, features).
        labels: of shape (rows,).
        videos: the video of each row: all rows of one are in the same fold.
    """
    varies = features.std(axis=0) > 1e-12
    if not varies.any():
        return np.full(len(features), 0.5)
    from sklearn.model_selection import GroupKFold
    from threadpoolctl import threadpool_limits

    scores = np.full(len(features), 0.5)
    features = features[:, varies]
    with threadpool_limits(1):  # so small that threads cost more than they bring
        for fitted, left_out in GroupKFold(_FOLDS).split(features, labels, videos):
            if labels[fitted].any() and not labels[fitted].all():
                model = _model().fit(features[fitted], labels[fitted])
                scores[left_out] = model.predict_proba(features[left_out])[:, 1]
    return scores


def _model() -> Any:
    """What is smooth and what has a threshold: a linear model and boosted small trees, averaged."""
    from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    trees = HistGradientBoostingClassifier(
        max_iter=20, max_depth=3, min_samples_leaf=20, early_stopping=False, random_state=0
    )
    return VotingClassifier([("linear", linear), ("trees", trees)], voting="soft")
