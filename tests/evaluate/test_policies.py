from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kuleshov.dataset import load_samples, write
from kuleshov.errors import UsageError
from kuleshov.evaluate.compare import compare
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.policies import POLICIES, answers, evaluate_policy, majority
from kuleshov.evaluate.results import load_results
from kuleshov.floors import best_constant, chance
from kuleshov.synthesize import MakeConfig, make
from kuleshov.tasks import TASKS, score
from tests.tasks.test_contract import KNOBS
from tests.test_floors import jigsaws


def test_the_majority_is_the_most_frequent_answer_and_the_first_of_several() -> None:
    assert majority(jigsaws("231", "132", "231")) == [2, 3, 1]
    assert majority(jigsaws("231", "132")) == [1, 3, 2]


def test_figures_of_constants_by_hand() -> None:
    # As in test_floors.py: 132 earns (1/2 + 1 + 1) / 3.
    samples = jigsaws("123", "132", "132")
    for name in ("best_constant", "majority"):
        results = answers(name, samples)
        assert [r.score for r in results] == [0.5, 1.0, 1.0]
        assert {tuple(r.answer) for r in results} == {(1, 3, 2)}
        assert {r.completion for r in results} == {"<answer>132</answer>"}
        # What a table of a benchmark is made of.
        assert [r.scores["exact"] for r in results] == [0.0, 1.0, 1.0]


def test_a_majority_may_earn_less_than_the_best_constant() -> None:
    # By place of each clip, 123, 132 and 312 are 123, 132 and 231: the first is 2 from the second
    # and 4 from the third, and these are 2 apart, of 4. So 123 earns 3 * 1 + 2 * 1/2, and 132
    # earns 3 * 1/2 + 2 * 1 + 2 * 1/2.
    samples = jigsaws("123", "123", "123", "132", "132", "312", "312")
    earned = {name: sum(r.score for r in answers(name, samples)) for name in POLICIES}
    assert (earned["majority"], earned["best_constant"]) == pytest.approx((4.0, 4.5))
    assert earned["best_constant"] / 7 == pytest.approx(best_constant(samples)[0])


def test_the_random_policy_comes_near_to_chance() -> None:
    # Of six orders one earns 1 and two 1/2: 1/3; 12 * 60 draws are sure to 0.014.
    samples = jigsaws(*["123", "132"] * 6)
    results = answers("random", samples, repeats=60)
    assert sum(r.score for r in results) / len(results) == pytest.approx(1 / 3, abs=0.05)
    assert results == answers("random", samples, repeats=60)
    assert results != answers("random", samples, repeats=60, seed=1)
    some = answers("random", samples[3:5], repeats=2)
    assert [r for r in answers("random", samples, 2) if r.sample in "34"] == some


def test_constants_are_found_for_each_entry() -> None:
    first = jigsaws("123", "123")
    second = [
        replace(s, id=f"o{s.id}", provenance={"entry": "other"}) for s in jigsaws("321", "321")
    ]
    assert {r.score for r in answers("majority", [*first, *second])} == {1.0}


def test_policies_of_all_tasks_are_scored_as_a_model_is(clips: Path, tmp_path: Path) -> None:
    made = MakeConfig(workers=0, tasks={name: KNOBS.get(name, {}) for name in TASKS})
    make(clips, tmp_path, made)
    samples = {s.id: s for s in load_samples(tmp_path)}
    assert {s.task for s in samples.values()} == set(TASKS)
    for name in POLICIES:
        results = answers(name, list(samples.values()))
        assert {r.sample for r in results} == set(samples)
        for result in results:
            reward = score(samples[result.sample], result.completion)
            assert (result.score, result.answer) == (reward.total, reward.answer)
            assert result.parsed


def test_a_policy_writes_a_run_that_compares_like_any_other(tmp_path: Path) -> None:
    samples = jigsaws(*["123", "132"] * 6)
    write(tmp_path / "data", samples, {"videos": "x"})
    config = EvalConfig()
    runs = [tmp_path / "random", tmp_path / "best"]
    evaluate_policy("random", tmp_path / "data", runs[0], config)
    results = evaluate_policy("policy:best_constant", tmp_path / "data", runs[1], config)
    assert sorted(r.score for r in results) == [0.5] * 6 + [1.0] * 6
    row = compare(*runs)["jigsaw"]
    assert row.after == row.floors["best_constant"] == 0.75
    assert row.corrected == pytest.approx(0) and row.failures_before == row.failures_after == 0
    assert json.loads((runs[1] / "environment.json").read_text())["model"] == "policy:best_constant"
    # Run again, it is done; as another policy, it is refused.
    assert evaluate_policy("best_constant", tmp_path / "data", runs[1], config) == results
    assert len((runs[1] / "results.jsonl").read_text().splitlines()) == len(load_results(runs[1]))
    with pytest.raises(UsageError, match="holds a run with model = policy:best_constant"):
        evaluate_policy("majority", tmp_path / "data", runs[1], config)


def test_an_unknown_policy_or_an_empty_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown policy 'randm'; did you mean 'random'"):
        answers("randm", jigsaws("123"))
    write(tmp_path / "data", jigsaws("123"), {"videos": "x"})
    with pytest.raises(UsageError, match="no samples in its train split"):
        evaluate_policy("random", tmp_path / "data", tmp_path / "r", EvalConfig(split="train"))


def test_chance_of_a_set_is_what_the_policy_draws(short_clips: Path, tmp_path: Path) -> None:
    make(short_clips, tmp_path, MakeConfig(workers=0, tasks={"jigsaw": {"num_clips": 3}}))
    samples = load_samples(tmp_path)
    results = answers("random", samples, repeats=40)
    drawn = sum(r.score for r in results) / len(results)
    assert drawn == pytest.approx(chance(samples), abs=0.08)
