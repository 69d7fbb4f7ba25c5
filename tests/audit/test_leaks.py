from __future__ import annotations

import numpy as np
import pytest

from kuleshov.audit.auc import Floats
from kuleshov.audit.leaks import Looked, probed, unit_rows
from kuleshov.tasks.anomaly import Anomaly
from kuleshov.tasks.jigsaw import Jigsaw
from kuleshov.tasks.task import Part, Unit
from tests.audit.samples import a_sample, looked

FRAMES = 12
MANY = range(60)


def segments(early: bool = False) -> list[Looked]:
    """For each of many videos a run of 4 of 12 frames."""
    sample, rng, ones = a_sample(Anomaly()), np.random.default_rng(0), []
    for video in MANY:
        start = int(rng.integers(0, 3 if early else 9))
        units = [Unit((Part(0, i, i + 1),), start <= i < start + 4) for i in range(FRAMES)]
        ones.append(looked(sample, video, units))
    return ones


def labels(one: Looked) -> Floats:
    return np.array([[unit.label] for unit in one.units], dtype=float)


def verdict(ones: list[Looked], features: list[Floats], leak: bool = True) -> str:
    rows = unit_rows(ones, features, guessed=False)
    assert rows is not None
    return probed("x", "y", "set", rows, leak).verdict


def test_a_feature_that_tells_the_label_is_a_leak_where_it_must_not() -> None:
    rng, ones = np.random.default_rng(1), segments()
    told = [labels(one) + rng.normal(size=(FRAMES, 1)) for one in ones]
    assert verdict(ones, told) == "leak"
    assert verdict(ones, told, leak=False) == "triviality"


def test_noise_is_nothing() -> None:
    rng, ones = np.random.default_rng(2), segments()
    assert verdict(ones, [rng.normal(size=(FRAMES, 5)) for _ in ones]) == "nothing"


def test_a_place_that_is_likelier_for_all_samples_is_chance() -> None:
    ones = segments(early=True)
    places = [np.arange(FRAMES, dtype=float)[:, None] for _ in ones]
    rows = unit_rows(ones, places, guessed=False)
    assert rows is not None
    result = probed("x", "places", "set", rows, True)
    assert result.verdict == "nothing"
    assert result.score > 0.9 and result.chance == pytest.approx(result.score, abs=0.03)


def test_what_differs_only_between_the_videos_does_not_hide_a_leak() -> None:
    # Each video has a brightness of its own, 100 times the difference that tells the label.
    rng, ones = np.random.default_rng(3), segments()
    told = [labels(one) + 100 * rng.normal() + rng.normal(0, 0.3, (FRAMES, 1)) for one in ones]
    assert verdict(ones, told) == "leak"


def test_a_feature_of_the_whole_sample_may_tell_which_option_is_true() -> None:
    sample, rng, ones, features = a_sample(Anomaly()), np.random.default_rng(4), [], []
    for video in MANY:
        forward = bool(rng.random() < 0.5)
        options = [("forward", forward), ("backward", not forward)]
        order = rng.permutation(2).tolist()  # options are shuffled
        whole = (Part(0, 0, 48),)
        units = [Unit(whole, options[i][1], options[i][0]) for i in order]
        ones.append(looked(sample, video, units))
        features.append(np.full((2, 1), forward + rng.normal(0, 0.5)))
    assert verdict(ones, features) == "leak"
    rng.shuffle(features)
    assert verdict(ones, features) == "nothing"


def test_guesses_are_chance_where_labels_follow_the_answer() -> None:
    # The true order is the same for all: other samples' labels cannot tell, guesses can.
    task = Jigsaw()
    sample = a_sample(task)
    ones = [looked(sample, video, task.units(sample)) for video in MANY]
    places = [np.eye(30) for _ in ones]
    rows = unit_rows(ones, places, guessed=True)
    assert rows is not None
    assert probed("jigsaw", "positions", "set", rows, True).verdict == "leak"
    assert verdict(ones, places) == "nothing"


def test_samples_without_the_features_are_left_out() -> None:
    ones = segments()
    assert unit_rows(ones, [None for _ in ones], guessed=False) is None
