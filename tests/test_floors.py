from __future__ import annotations

import pytest

from kuleshov.floors import best_constant, chance
from kuleshov.sample import Sample
from kuleshov.tasks import build


def jigsaws(*answers: str) -> list[Sample]:
    knobs = {"num_clips": 3, "num_frames": 48}
    return [
        Sample(
            id=str(i),
            task="jigsaw",
            video_ids=(str(i),),
            split="held_out",
            media=(),
            prompt="",
            answer=[int(digit) for digit in answer],
            form="tagged",
            knobs=build("jigsaw", knobs=knobs).knobs(),
            seed=0,
            chance=i / 10,
        )
        for i, answer in enumerate(answers)
    ]


def test_best_constant_by_hand() -> None:
    # n = 3: E_max = 4. To 123, 132 and 132: 132 displaces 2 in the first and nothing in the
    # others, so it earns (1/2 + 1 + 1) / 3; 123 earns (1 + 1/2 + 1/2) / 3.
    reward, answer = best_constant(jigsaws("123", "132", "132"))
    assert answer == [1, 3, 2]
    assert reward == pytest.approx(2.5 / 3)


def test_chance_is_the_mean_of_the_samples() -> None:
    assert chance(jigsaws("123", "132", "132")) == pytest.approx((0 + 0.1 + 0.2) / 3)
