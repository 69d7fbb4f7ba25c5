from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from kuleshov.features import Vectors
from kuleshov.keyframes import SOURCES, Hidden, hidden_among_neighbors, hidden_runs, key_frames


def of_similarity(like: np.ndarray) -> Vectors:
    """Unit vectors with these similarities to each other."""
    return np.linalg.cholesky(like)


def line(count: int, step: float = 0.3) -> Vectors:
    """Frames that turn away from the first one by `step` radians each, and never come back."""
    angles = step * np.arange(count)
    # A helix: neighbours are as alike as in the plane, and a full turn comes nowhere near.
    return np.stack([np.cos(angles / 4), np.sin(angles / 4)], axis=1)


def hide(vectors: Vectors, seed: int = 0, **changes: Any) -> Hidden | None:
    knobs: dict[str, Any] = {
        "length": 3,
        "distractors": 3,
        "reach": 8,
        "max_similarity": 0.999,
        "closest": False,
        **changes,
    }
    return hidden_runs(range(len(vectors)), vectors, **knobs, rng=np.random.default_rng(seed))


def test_key_frames_differ_from_the_last_one_kept() -> None:
    # Similarities of five whole steps (every second index) to each other, threshold 0.9:
    # step 1 is like step 0 and goes; step 2 differs from step 0 and stays; step 3 is like
    # step 2 and goes; step 4 is like step 0, but differs from step 2, the last one kept.
    like = np.eye(9)
    for a, b, cosine in [(0, 2, 0.95), (4, 6, 0.95), (0, 8, 0.92), (2, 8, 0.88)]:
        like[a, b] = like[b, a] = cosine
    vectors = of_similarity(like)
    assert key_frames(vectors, range(0, 9, 2), 0.9, 9) == [0, 4, 8]
    assert key_frames(vectors, range(0, 9, 2), 0.9, 2) == [0, 4]


def test_nine_frames_hold_two_runs_of_three_in_one_way_only() -> None:
    # . 1 2 3 . 5 6 7 .  and a coin.
    vectors = line(9)
    asked: Counter[int] = Counter()
    for seed in range(200):
        hidden = hide(vectors, seed)
        assert hidden is not None
        first, second = [1, 2, 3], [5, 6, 7]
        if hidden.targets == second:
            first, second = second, first
        assert hidden.targets == first and sorted(hidden.distractors) == second
        assert hidden.context == sorted({0, 4, 8, *first})
        asked[hidden.targets[0]] += 1
    # 200 fair throws: 100 with a standard deviation of 7.
    assert 70 <= asked[1] <= 130


def test_eight_frames_hold_none() -> None:
    assert hide(line(8)) is None
    assert SOURCES["runs"].least(3, 3) == 9


@pytest.mark.parametrize(
    ("count", "length", "distractors"), [(16, 3, 3), (15, 2, 3), (20, 3, 4), (24, 4, 8), (9, 4, 0)]
)
def test_runs_have_a_shown_frame_on_both_sides(count: int, length: int, distractors: int) -> None:
    for seed in range(20):
        hidden = hide(line(count), seed, length=length, distractors=distractors, reach=16)
        assert hidden is not None
        context, targets, others = hidden
        assert len(context) % 2 == 0 and len(targets) == length and len(others) == distractors
        assert targets == list(range(targets[0], targets[0] + length))
        shown = sorted(set(context) - set(targets))
        assert not set(others) & set(context)
        # What is neither shown nor a target is cut out in runs of the same length.
        runs = [b - a - 1 for a, b in pairwise(shown) if b - a > 1]
        assert set(runs) == {length} and len(runs) == 1 + -(-distractors // length)


def test_runs_are_no_further_apart_than_they_may_be() -> None:
    found = set()
    for seed in range(100):
        hidden = hide(line(20), seed, reach=4)
        assert hidden is not None
        first, second = sorted([hidden.targets[0], min(hidden.distractors)])
        found.add(second - first - 3)
    assert found == {1, 2, 3, 4}


def test_a_frame_that_comes_back_is_never_hidden() -> None:
    # Frame 2 looks like frame 12: shown, it would give the answer away; as a distractor, it
    # would be a second right answer.
    vectors = line(16)
    vectors[12] = vectors[2]
    for seed in range(50):
        hidden = hide(vectors, seed)
        assert hidden is not None
        assert not {2, 12} & {*hidden.targets, *hidden.distractors}


def test_the_closest_runs_are_those_that_look_most_alike() -> None:
    # On a line, those with one frame between them.
    for seed in range(20):
        hidden = hide(line(16), seed, closest=True)
        assert hidden is not None
        assert abs(hidden.targets[0] - min(hidden.distractors)) == 4


def test_targets_and_distractors_are_as_far_from_what_is_shown() -> None:
    # The leak of distractors that lie right beside shown frames, and its absence. On a line,
    # the middle one of a run of three is two steps from what is shown, the others are one.
    vectors = line(40, step=0.2)
    keys = range(0, 40, 2)
    gaps: dict[str, list[tuple[float, float]]] = {"runs": [], "between": []}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        knobs: dict[str, Any] = {
            "length": 3,
            "distractors": 3,
            "reach": 8,
            "max_similarity": 0.9999,
            "closest": False,
            "rng": rng,
        }
        for name, source in SOURCES.items():
            hidden = source.hide(keys, vectors, **knobs)
            assert hidden is not None
            shown = sorted(set(hidden.context) - set(hidden.targets))
            nearest = (vectors @ vectors[shown].T).max(axis=1)
            gaps[name].append((nearest[hidden.targets].mean(), nearest[hidden.distractors].mean()))
    for targets, distractors in gaps["runs"]:
        assert targets == pytest.approx(distractors)
    assert all(targets < distractors for targets, distractors in gaps["between"])


def test_distractors_from_between_are_not_shown_and_cannot_fill_the_gap() -> None:
    vectors = line(40)
    keys = list(range(0, 40, 2))
    for seed in range(50):
        hidden = hidden_among_neighbors(
            keys,
            vectors,
            length=3,
            distractors=4,
            reach=4,
            max_similarity=0.9999,
            closest=False,
            rng=np.random.default_rng(seed),
        )
        assert hidden is not None and hidden.context == keys
        low, high = hidden.targets[0] - 2, hidden.targets[-1] + 2
        for index in hidden.distractors:
            assert index % 2 == 1 and not low < index < high
            # At most 4 key frames away from the run.
            assert low - 8 <= index <= high + 8


def test_the_closest_from_between_lie_beside_the_gap() -> None:
    hidden = hidden_among_neighbors(
        list(range(0, 40, 2)),
        line(40),
        length=3,
        distractors=1,
        reach=8,
        max_similarity=0.9999,
        closest=True,
        rng=np.random.default_rng(1),
    )
    assert hidden is not None
    (index,) = hidden.distractors
    # The frame of the gap's edge is one key frame (two steps) away, the next one three.
    assert index in (hidden.targets[0] - 3, hidden.targets[-1] + 3)
