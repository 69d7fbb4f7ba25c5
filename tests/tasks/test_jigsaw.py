from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.sample import Sample
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


@pytest.mark.parametrize("n", [4, 6])
def test_chance_is_the_mean_over_all_orders(n: int) -> None:
    task = Jigsaw(num_clips=n, num_frames=8 * n)
    truth = list(range(1, n + 1))
    orders = list(permutations(truth))
    mean = sum(task.grade(list(order), truth)["total"] for order in orders) / len(orders)
    assert task._chance() == pytest.approx(mean)


def test_published_chance_levels() -> None:
    chances = [Jigsaw(num_clips=n, num_frames=48)._chance() for n in (4, 6, 8)]
    assert chances == pytest.approx([0.375, 0.352, 0.344], abs=5e-4)


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


def test_clips_that_do_not_divide_the_frames_are_refused() -> None:
    with pytest.raises(UsageError, match="num_clips is 5 with 48 frames; allowed: 2 to 9"):
        Jigsaw(num_clips=5)


def test_random_orders_are_uniform_guesses() -> None:
    task = Jigsaw(num_clips=3, num_frames=48)
    sample = a_sample(task)
    rng = np.random.default_rng(0)
    assert len({tuple(task.guess(sample, rng)) for _ in range(100)}) == 6
