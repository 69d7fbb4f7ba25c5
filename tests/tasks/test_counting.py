from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.floors import best_constant
from kuleshov.sample import Sample
from kuleshov.tasks import build
from kuleshov.tasks.counting import SHAPES, Counting, closeness
from tests.conftest import a_video


def a_sample(task: Counting, seed: int = 0) -> Sample:
    result = task.synthesize(a_video(num_frames=480), np.random.default_rng(seed), lambda n: [])
    assert isinstance(result, Sample)
    return result


@pytest.mark.parametrize(
    ("given_", "true", "expected"),
    [(4, 4, 1), (3, 4, 0.75), (5, 4, 0.75), (0, 4, 0), (9, 4, 0), (1, 3, 1 / 3), (2, 1, 0)],
)
def test_closeness(given_: int, true: int, expected: float) -> None:
    assert closeness(given_, true) == pytest.approx(expected)


def test_the_reward_is_the_mean_over_shapes() -> None:
    # |3-4|/4 = 0.25 -> 0.75; exact -> 1; |5-2|/2 > 1 -> 0: mean 1.75 / 3.
    parts = Counting().grade([3, 1, 5], [4, 1, 2])
    assert parts["total"] == pytest.approx(1.75 / 3)
    assert [parts[shape] for shape in SHAPES] == [0.75, 1, 0]


@given(*[st.lists(st.integers(0, 50), min_size=3, max_size=3)])
def test_the_reward_is_in_range(answer: list[int]) -> None:
    assert 0 <= Counting().grade(answer, [1, 4, 9])["total"] <= 1


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("3,1,4", [3, 1, 4]),
        ("3, 1, 4", [3, 1, 4]),
        ("3 circles, 1 square, 4 triangles", [3, 1, 4]),  # the published rule takes it
        ("3,1", None),
        ("3,1,4,1", None),
        ("3,1,4 or 2,1,4", None),
        ("three", None),
        # More digits than Python turns into an integer, and than a float holds.
        pytest.param("3,1," + "9" * 5000, [3, 1, 10**9], id="5000 digits"),
        pytest.param("3,1," + "0" * 5000 + "4", [3, 1, 4], id="5000 zeros"),
    ],
)
def test_parse_takes_exactly_three_numbers(text: str, answer: object) -> None:
    task = Counting()
    assert task.parse(text, a_sample(task)) == answer


def test_the_answer_is_what_was_drawn_under_the_published_rules() -> None:
    task = Counting()
    for seed in range(30):
        sample = a_sample(task, seed)
        frames_of: dict[str, set[int]] = {}
        for shape, count in zip(SHAPES, sample.answer, strict=True):
            drawn = [e for e in sample.media[0].edits if e["shape"] == shape]
            assert len(drawn) == count and 1 <= count <= 9
            frames_of[shape] = {e["start"] for e in drawn}
            assert 1 <= len(frames_of[shape]) <= 3
            assert all(abs(a - b) > 8 for a, b in combinations(frames_of[shape], 2))
            for edit in drawn:
                assert edit["stop"] == edit["start"] + 1
                assert 0.2 <= edit["size"] <= 0.4
                assert all(50 <= value <= 255 for value in edit["color"])
                # Inside of the central 70 %, or of the frame for the largest shapes.
                assert 0.15 <= edit["x"] <= 0.85 and 0.15 <= edit["y"] <= 0.85
        for a, b in combinations(SHAPES, 2):
            assert not frames_of[a] & frames_of[b]


def test_published_floor_of_a_constant_answer() -> None:
    # Reference figures for 3 frames and 3 instances: the constant 3,3,3 earns 0.583; for the
    # hard level (4 and 4), 5,5,5 earns 0.548.
    for task, constant, floor in [
        (Counting(), 3, 0.583),
        (Counting(max_frames=4, max_instances=4), 5, 0.548),
    ]:
        prior = task._prior()
        assert sum(prior.values()) == pytest.approx(1)
        earned = sum(p * closeness(constant, count) for count, p in prior.items())
        assert earned == pytest.approx(floor, abs=5e-4)


def test_prior_of_one_shape_by_hand() -> None:
    # 1 or 2 frames with 1 or 2 instances each: one frame gives 1 or 2, each with 1/4; two give
    # 2, 3, 4 with 1/8, 1/4, 1/8.
    prior = Counting(max_frames=2, max_instances=2)._prior()
    assert prior == pytest.approx({1: 1 / 4, 2: 3 / 8, 3: 1 / 4, 4: 1 / 8})


def test_strict_pays_for_all_three_only_and_shows_each() -> None:
    strict = Counting(reward="strict")
    assert strict.grade([3, 1, 5], [3, 1, 5]) == dict.fromkeys((*SHAPES, "total"), 1.0)
    assert strict.grade([3, 1, 4], [3, 1, 5]) == {
        "circle": 1.0,
        "square": 1.0,
        "triangle": 0.0,
        "total": 0.0,
    }


@pytest.mark.parametrize("reward", ["smooth", "strict"])
def test_chance_is_the_mean_over_the_prior(reward: Any) -> None:
    task = Counting(max_frames=2, max_instances=2, reward=reward)
    # As worked out above: 1, 2, 3, 4 with 1/4, 3/8, 1/4, 1/8.
    prior = {1: 1 / 4, 2: 3 / 8, 3: 1 / 4, 4: 1 / 8}
    for truth in ([1, 2, 4], [3, 3, 3]):
        mean = sum(
            prior[a] * prior[b] * prior[c] * task.grade([a, b, c], truth)["total"]
            for a, b, c in product(prior, repeat=3)
        )
        assert task._chance(truth) == pytest.approx(mean)
    assert Counting(max_frames=2, max_instances=2, reward="strict")._chance([1, 2, 4]) == 3 / 256


def test_a_guess_earns_the_stated_chance_of_the_strict_reward() -> None:
    task = Counting(max_frames=2, max_instances=2, reward="strict")
    sample = replace(a_sample(task), answer=[2, 2, 2], chance=task._chance([2, 2, 2]))
    rng = np.random.default_rng(0)
    earned = [task.grade(task.guess(sample, rng), sample.answer)["total"] for _ in range(4000)]
    # 3/8 to the third power.
    assert sample.chance == pytest.approx(0.0527, abs=1e-4)
    assert abs(np.mean(earned) - sample.chance) <= 3 * np.std(earned) / np.sqrt(4000)


@pytest.mark.parametrize("reward", ["smooth", "strict"])
def test_no_constant_is_better_than_the_best(reward: Any) -> None:
    task = Counting(max_frames=2, max_instances=2, reward=reward)
    samples = [a_sample(task, seed) for seed in range(25)]
    best = best_constant(samples).reward
    every = [
        sum(task.grade(list(triple), sample.answer)["total"] for sample in samples) / 25
        for triple in product(range(1, 5), repeat=3)
    ]
    assert best == pytest.approx(max(every))


def test_the_hard_level_draws_up_to_four_frames_of_four() -> None:
    hard = Counting(max_frames=4, max_instances=4)
    samples = [a_sample(hard, seed) for seed in range(60)]
    frames: set[int] = set()
    instances: set[int] = set()
    totals: set[int] = set()
    for sample in samples:
        totals.update(sample.answer)
        for shape in SHAPES:
            starts = [e["start"] for e in sample.media[0].edits if e["shape"] == shape]
            frames.add(len(set(starts)))
            instances.update(starts.count(start) for start in starts)
        assert hard.score(sample, hard.completion(sample.answer)).total == 1
    assert frames == instances == {1, 2, 3, 4}
    assert max(totals) > 9 and max(totals) <= 16


def test_an_unknown_reward_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown reward of counting 'strickt'; did you mean 'str"):
        build("counting", knobs={"reward": "strickt"})


def test_crowded_settings_are_refused_and_never_hang() -> None:
    with pytest.raises(UsageError, match="3 frames of each shape, more than 8 apart"):
        Counting(num_frames=16)
    # Fits one shape, but never all three at once: found while placing.
    crowded = Counting(num_frames=3, max_frames=2, min_gap=1, min_frames=3)
    with pytest.raises(UsageError, match="do not fit 3 frames"):
        for seed in range(20):
            a_sample(crowded, seed)
