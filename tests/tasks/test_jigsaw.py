from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.floors import best_constant
from kuleshov.sample import Sample
from kuleshov.tasks import build
from kuleshov.tasks.jigsaw import Jigsaw
from tests.conftest import a_video


def a_sample(task: Jigsaw, seed: int = 0) -> Sample:
    result = task.synthesize(a_video(num_frames=480), np.random.default_rng(seed), lambda n: [])
    assert isinstance(result, Sample)
    return result


def total(answer: str, truth: str) -> float:
    return Jigsaw().grade([int(c) for c in answer], [int(c) for c in truth])["total"]


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        ("123456", "123456", 1),
        # Reversed: displacements 5+3+1+1+3+5 = 18 = floor(36 / 2).
        ("654321", "123456", 0),
        # Two neighbours swapped: displacement 2 of 18.
        ("213456", "123456", 16 / 18),
        # n = 4, E_max = 8. Truth 2413: clip 1 belongs third, 2 first, 3 fourth, 4 second. In
        # 1234 they stand first, second, third, fourth: 2 + 1 + 1 + 2 = 6.
        ("1234", "2413", 2 / 8),
        # Odd n = 3: E_max = floor(9 / 2) = 4, reversed displaces 2 + 0 + 2.
        ("321", "123", 0),
    ],
)
def test_reward(answer: str, truth: str, expected: float) -> None:
    assert total(answer, truth) == pytest.approx(expected)


@given(st.permutations(range(1, 7)), st.permutations(range(1, 7)))
def test_the_reward_is_in_range_symmetric_and_one_only_for_the_truth(
    a: list[int], b: list[int]
) -> None:
    earned = Jigsaw().grade(a, b)["total"]
    assert 0 <= earned <= 1 and (earned == 1) == (a == b)
    assert earned == Jigsaw().grade(b, a)["total"]


@pytest.mark.parametrize(
    ("answer", "strict", "positions"),
    [
        ("123456", 1, 1),
        ("213456", 0, 0.2 * 4 / 6),
        ("654321", 0, 0),
        ("143256", 0, 0.2 * 4 / 6),  # 2 and 4 changed places
        ("234561", 0, 0),  # all one place off: much of the smooth reward, none of this one
    ],
)
def test_variants_of_the_reward(answer: str, strict: float, positions: float) -> None:
    given, truth = [int(c) for c in answer], [1, 2, 3, 4, 5, 6]
    exact = float(answer == "123456")
    wanted = {"strict": strict, "positions": positions}
    for reward, total in wanted.items():
        parts = build("jigsaw", knobs={"reward": reward}).grade(given, truth)
        assert parts == pytest.approx({"exact": exact, "total": total})


def test_positions_are_those_of_the_digits() -> None:
    # Truth 2413, answer 2431: the first two of four digits are right. Discount 0.5.
    task = Jigsaw(num_clips=4, reward="positions", discount=0.5)
    assert task.grade([2, 4, 3, 1], [2, 4, 1, 3])["total"] == 0.5 * 2 / 4


@pytest.mark.parametrize("reward", ["smooth", "strict", "positions"])
@pytest.mark.parametrize("n", [2, 4, 6])
def test_chance_is_the_mean_over_all_orders(n: int, reward: Any) -> None:
    task = Jigsaw(num_clips=n, num_frames=8 * n, reward=reward)
    truth = list(range(1, n + 1))
    orders = list(permutations(truth))
    mean = sum(task.grade(list(order), truth)["total"] for order in orders) / len(orders)
    assert task._chance() == pytest.approx(mean)


def test_published_chance_levels() -> None:
    chances = [Jigsaw(num_clips=n, num_frames=48)._chance() for n in (4, 6, 8)]
    assert chances == pytest.approx([0.375, 0.352, 0.344], abs=5e-4)


@pytest.mark.parametrize("reward", ["smooth", "strict", "positions"])
def test_a_guess_earns_the_stated_chance(reward: Any) -> None:
    task = Jigsaw(num_clips=3, num_frames=48, reward=reward)
    sample = a_sample(task)
    rng = np.random.default_rng(0)
    earned = [task.grade(task.guess(sample, rng), sample.answer)["total"] for _ in range(3000)]
    # Of the 6 orders of three clips one is exact, three have one of three right, two none:
    # 1/6 + 1/2 * 0.2 / 3 for positions.
    known = {"strict": 1 / 6, "positions": 1 / 6 + 0.1 / 3}
    assert sample.chance == pytest.approx(known.get(reward, sample.chance))
    assert abs(np.mean(earned) - sample.chance) <= 3 * np.std(earned) / np.sqrt(3000)


@pytest.mark.parametrize("reward", ["smooth", "strict", "positions"])
@given(answers=st.lists(st.permutations(range(1, 5)), min_size=1, max_size=12))
def test_no_constant_is_better_than_the_best(reward: Any, answers: list[list[int]]) -> None:
    task = Jigsaw(num_clips=4, reward=reward)
    samples = [replace(a_sample(task), answer=answer) for answer in answers]
    every = [
        sum(task.grade(list(order), truth)["total"] for truth in answers) / len(answers)
        for order in permutations(range(1, 5))
    ]
    assert best_constant(samples)[0] == pytest.approx(max(every))


def test_the_best_constant_of_nine_clips_is_found_without_trying_all() -> None:
    task = Jigsaw(num_clips=9, num_frames=54)
    truths = [[*range(1, 10)], [2, 1, *range(3, 10)], [1, 3, 2, *range(4, 10)]]
    # No order is right twice. 123456789 displaces 2 in each of the others, of 40 at most; any
    # other one displaces more: 213 of 132 by 4, and so on.
    samples = [replace(a_sample(task), answer=truth) for truth in truths]
    reward, answer, _ = best_constant(samples)
    assert reward == pytest.approx((1 + 2 * 38 / 40) / 3) and answer == truths[0]


def test_the_hard_level_has_eight_clips_of_six_frames() -> None:
    hard = Jigsaw(num_clips=8)
    sample = a_sample(hard)
    assert [len(item.frames) for item in sample.media] == [6] * 8
    assert sample.prompt.count("<video>") == 8 and len(hard.write(sample.answer)) == 8
    assert hard.score(sample, hard.completion(sample.answer)).total == 1
    assert hard.score(sample, hard.completion(sample.answer[::-1])).total == 0


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("341562", True),
        ("123456", True),
        ("34156", False),
        ("3415627", False),
        ("331562", False),
        ("041562", False),
        ("3,4,1,5,6,2", False),
        ("341562 123456", False),
        ("", False),
        ("³41562", False),
    ],
)
def test_parse_takes_one_permutation(text: str, valid: bool) -> None:
    task = Jigsaw()
    assert (task.parse(text, a_sample(task)) is not None) == valid


def test_playing_the_answer_gives_the_original_order() -> None:
    for seed in range(20):
        sample = a_sample(Jigsaw(), seed)
        played = [sample.media[position - 1] for position in sample.answer]
        times = [frame.source_seconds for item in played for frame in item.frames]
        assert times == sorted(times) and len(times) == 48


def test_every_order_is_drawn_the_true_one_included() -> None:
    task = Jigsaw(num_clips=3, num_frames=48)
    drawn = [tuple(a_sample(task, seed).answer) for seed in range(200)]
    assert set(drawn) == set(permutations([1, 2, 3]))
    # Uniform over 6 orders: 200 draws give each 33 times, standard deviation 5.3.
    assert all(abs(drawn.count(order) - 200 / 6) < 4 * 5.3 for order in set(drawn))


def test_clip_ends_are_left_out_only_by_default() -> None:
    # 6 clips of 1.5 s in the middle 9 s: a tenth of each end of a clip is 0.15 s. Frames lie in
    # the middle of their slots, so the gap between clips is 2 * 0.15 s and one slot (0.15 s).
    gaps = []
    for task in (Jigsaw(), Jigsaw.paper()):
        clips = task._clips(a_video(num_frames=480))
        gaps.append(clips[1].seconds()[0] - clips[0].seconds()[-1])
    assert gaps == pytest.approx([0.3 + 0.15, 9 / 48])


def test_each_clip_has_a_clock_of_its_own() -> None:
    assert all(item.frames[0].shown_seconds == 0 for item in a_sample(Jigsaw()).media)


def test_the_example_moves_every_clip() -> None:
    for n in range(2, 10):
        example = Jigsaw(num_clips=n, num_frames=n)._example()
        assert sorted(example) == list(range(1, n + 1))
        assert example != list(range(1, n + 1))


def test_knobs_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="discount is 2; allowed: 0 to 1"):
        Jigsaw(discount=2)
    with pytest.raises(UsageError, match="unknown reward of jigsaw 'places'; Known: positions, "):
        build("jigsaw", knobs={"reward": "places"})


def test_clips_that_do_not_divide_the_frames_are_refused() -> None:
    with pytest.raises(UsageError, match="num_clips is 5 with 48 frames; allowed: 2 to 9"):
        Jigsaw(num_clips=5)


def test_random_orders_are_uniform_guesses() -> None:
    task = Jigsaw(num_clips=3, num_frames=48)
    sample = a_sample(task)
    rng = np.random.default_rng(0)
    assert len({tuple(task.guess(sample, rng)) for _ in range(100)}) == 6
