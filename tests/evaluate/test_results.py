from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kuleshov.errors import UsageError
from kuleshov.evaluate.results import (
    Result,
    append_results,
    best_constant,
    chance,
    load_results,
)
from kuleshov.sample import Sample
from kuleshov.tasks import build


def result(sample: str = "s", condition: str = "full", score: float = 0.5) -> Result:
    return Result(sample, "jigsaw", "v", condition, 0, "<b>2143\n", [2, 1, 4, 3], score, 8, 100)


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


def test_results_are_read_back_and_a_repeated_item_counts_once(tmp_path: Path) -> None:
    append_results(tmp_path, [result("a"), result("b")])
    append_results(tmp_path, [result("a", score=1.0), result("a", "blind")])
    loaded = load_results(tmp_path)
    assert sorted((r.sample, r.condition, r.score) for r in loaded) == [
        ("a", "blind", 0.5),
        ("a", "full", 1.0),
        ("b", "full", 0.5),
    ]


def test_a_line_that_a_kill_cut_short_is_not_done(tmp_path: Path) -> None:
    append_results(tmp_path, [result("a"), result("b")])
    path = tmp_path / "results.jsonl"
    path.write_text(path.read_text()[:-20])
    assert [r.sample for r in load_results(tmp_path)] == ["a"]


def test_no_answer_is_not_parsed() -> None:
    assert result().parsed
    assert not replace(result(), answer=None).parsed


def test_a_folder_without_results_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="kuleshov eval MODEL OUT"):
        load_results(tmp_path)


def test_best_constant_by_hand() -> None:
    # n = 3: E_max = 4. To 123, 132 and 132: 132 displaces 2 in the first and nothing in the
    # others, so it earns (1/2 + 1 + 1) / 3; 123 earns (1 + 1/2 + 1/2) / 3.
    reward, answer = best_constant(jigsaws("123", "132", "132"))
    assert answer == [1, 3, 2]
    assert reward == pytest.approx(2.5 / 3)


def test_chance_is_the_mean_of_the_samples() -> None:
    assert chance(jigsaws("123", "132", "132")) == pytest.approx((0 + 0.1 + 0.2) / 3)
