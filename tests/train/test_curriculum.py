from __future__ import annotations

from collections import Counter

import pytest

from kuleshov.errors import UsageError
from kuleshov.train.config import SFTSettings
from kuleshov.train.curriculum import order

TASKS = ["jigsaw", "masked"] * 4  # even indices are jigsaws


def test_a_task_of_the_curriculum_comes_alone_and_the_mixture_after_it() -> None:
    indices = order(TASKS, steps=5, per_step=2, curriculum={"jigsaw": 3}, seed=0)
    assert len(indices) == 10
    assert all(index % 2 == 0 for index in indices[:6])
    assert {TASKS[index] for index in indices[6:]} == {"jigsaw", "masked"}


def test_the_tasks_of_the_curriculum_come_in_its_order() -> None:
    indices = order(TASKS, 4, 1, {"masked": 2, "jigsaw": 2}, seed=0)
    assert [TASKS[index] for index in indices] == ["masked", "masked", "jigsaw", "jigsaw"]


def test_no_sample_of_a_phase_comes_again_before_all_others_have_come() -> None:
    indices = order(TASKS, 3, 8, {"jigsaw": 1}, seed=0)
    assert Counter(indices[:4]) == Counter(indices[4:8]) == Counter([0, 2, 4, 6])
    assert Counter(indices[8:16]) == Counter(indices[16:]) == Counter(range(8))


def test_the_order_is_that_of_its_seed() -> None:
    assert order(TASKS, 4, 8, {}, seed=1) == order(TASKS, 4, 8, {}, seed=1)
    assert order(TASKS, 4, 8, {}, seed=1) != order(TASKS, 4, 8, {}, seed=2)


def test_a_task_without_samples_leaves_its_steps_to_the_mixture() -> None:
    indices = order(TASKS, 2, 4, {"counting": 2}, seed=0)
    assert Counter(indices) == Counter(range(8))


@pytest.mark.parametrize(
    ("curriculum", "message"),
    [
        ({"jigsaws": 3}, "jigsaw"),
        ({"jigsaw": -1}, "allowed: 0 or more"),
        ({"jigsaw": 8, "masked": 3}, "has 11 steps of 10; raise train.sft.steps"),
    ],
)
def test_a_curriculum_that_cannot_be_is_refused(curriculum: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SFTSettings(steps=10, curriculum=curriculum)
