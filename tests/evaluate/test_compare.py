from __future__ import annotations

import gc
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kuleshov.dataset import write
from kuleshov.errors import UsageError
from kuleshov.evaluate import policies
from kuleshov.evaluate.compare import compare, load, overall, rows_and_overall
from kuleshov.evaluate.comparison import Condition
from kuleshov.evaluate.results import Result, append_results
from kuleshov.sample import Sample
from tests.test_floors import jigsaws


def a_run(
    folder: Path, data: Path, samples: str, results: list[Result], temperature: float = 0.0
) -> Path:
    folder.mkdir()
    record: dict[str, Any] = {"data": str(data), "samples": samples, "model": "m", "versions": {}}
    record["temperature"] = temperature
    (folder / "environment.json").write_text(json.dumps(record))
    append_results(folder, results)
    return folder


def answered(sample: str, score: float, condition: str = "full", parsed: bool = True) -> Result:
    answer = [1, 2, 3] if parsed else None
    return Result(sample, "jigsaw", sample, condition, 0, "x", answer, score, 6, 50)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    # Held-out samples of twelve videos; the true orders alternate.
    samples = jigsaws(*["123", "132"] * 6)
    write(tmp_path / "data", samples, {"videos": "x"})
    return tmp_path / "data"


def test_figures_by_hand(tmp_path: Path, data: Path) -> None:
    ids = [str(i) for i in range(12)]
    before = [answered(i, 0.25, parsed=i not in "01") for i in ids]
    after = [answered(i, 0.75) for i in ids] + [answered(i, 0.5, "blind") for i in ids]
    row = compare(
        a_run(tmp_path / "before", data, "same", before),
        a_run(tmp_path / "after", data, "same", after),
    )["jigsaw"]
    assert (row.before, row.after, row.difference, row.blind) == (0.25, 0.75, 0.5, 0.5)
    # Every one of 12 videos gained the same; by Wilson up to 3.841459 / 15.841459 of all may not.
    other = 0.242494
    assert row.interval == pytest.approx((0.5 * (1 - other) - other, 0.5 * (1 - other) + other))
    assert (row.n, row.videos) == (12, 12)
    assert row.failures_before == pytest.approx(2 / 12) and row.failures_after == 0
    # The best constant, 123 or 132, earns 1 and 1/2 in turn: 0.75. Chance: mean of 0.0 to 1.1.
    assert row.best_constant == pytest.approx(0.75) and row.chance == pytest.approx(0.1375)
    assert row.corrected == pytest.approx(0)
    assert row.constant == [1, 2, 3] and row.seeds == 1
    # All of 12 videos gained: 2 of 2^12 signs are as large. One task, so Holm changes nothing.
    assert row.p == row.p_holm == pytest.approx(2 / 2**12)
    # Only an exact order is right, and there is none.
    assert row.mcnemar == (0, 0, 1.0)
    json.dumps(row.to_json(), allow_nan=False)
    assert {
        "chance",
        "best_constant",
        "blind",
        "before",
        "after",
        "difference",
        "interval",
        "n",
        "videos",
    } <= set(row.to_json())


def test_floors_are_chance_and_the_policies(tmp_path: Path, data: Path) -> None:
    results = [answered(str(i), 1.0) for i in range(12)]
    row = compare(*(a_run(tmp_path / name, data, "same", results) for name in ("a", "b")))["jigsaw"]
    # Both orders are as frequent, 123 comes first: it earns 1 and 1/2 in turn.
    expected = {"chance": 0.1375, "best_constant": 0.75, "majority": 0.75}
    assert {name: row.floors[name] for name in expected} == pytest.approx(expected)
    # Orders of 3 clips earn 1, 1/2, 1/2, 0, 0, 0: 1/3 in the mean; 48 draws are sure to 0.053.
    assert row.floors["random"] == pytest.approx(1 / 3, abs=0.16)


def test_conditions_and_time_gain_by_hand(tmp_path: Path, data: Path) -> None:
    # After: full 3/4, single 1/4, shuffled 1/2, blind: 1 of 4 right. Jigsaw is about order, so
    # shuffled does not count: 3/4 - 1/4.
    after = []
    for i in range(12):
        scores = {
            "full": float(i % 4 != 0),
            "single": float(i % 4 == 1),
            "shuffled": float(i % 4 <= 1),
            "blind": float(i % 4 == 0),
        }
        after += [
            answered(str(i), score, condition, parsed=score > 0)
            for condition, score in scores.items()
        ]
    before = [answered(str(i), float(i % 2)) for i in range(12)]
    row = compare(
        a_run(tmp_path / "a", data, "same", before), a_run(tmp_path / "b", data, "same", after)
    )["jigsaw"]
    assert list(row.conditions) == ["full", "blind", "single", "shuffled"]
    assert row.conditions["full"] == Condition(0.5, 0.75, 0.0, 0.25)
    assert row.conditions["shuffled"] == Condition(None, 0.5, None, 0.5)
    assert row.time_gain_before is None and row.time_gain_after is not None
    gain = row.time_gain_after
    assert (gain.value, gain.full, gain.single, gain.shuffled) == (0.5, 0.75, 0.25, None)
    assert row.solved_blind == 0.25
    # Right with the video, wrong otherwise: i % 4 in {2, 3}.
    assert row.needs_time == tuple(sorted(str(i) for i in range(12) if i % 4 > 1))
    assert row.needs_time_share == 0.5
    # Gained i % 4 == 2, lost none: 3 of 3, 2 / 2^3.
    assert row.mcnemar == (3, 0, 0.25)
    as_json = row.to_json()
    assert as_json["time_gain"]["before"] is None
    assert as_json["time_gain"]["after"]["value"] == 0.5
    assert as_json["conditions"]["shuffled"]["after"] == 0.5
    json.dumps(as_json, allow_nan=False)


def two_tasks(folder: Path) -> Path:
    """Twelve jigsaws, and of the same videos four under another name."""
    samples = jigsaws(*["123", "132"] * 6)
    named = [replace(s, id=f"o{s.id}", provenance={"entry": "other"}) for s in samples[:4]]
    write(folder, [*samples, *named], {"videos": "x"})
    return folder


def test_tasks_are_corrected_together_and_averaged_alike(tmp_path: Path) -> None:
    data = two_tasks(tmp_path / "data")

    def results(jigsaw: float, other: float) -> list[Result]:
        rest = [replace(answered(str(i), other), sample=f"o{i}", task="other") for i in range(4)]
        return [answered(str(i), jigsaw) for i in range(12)] + rest

    runs = (
        a_run(tmp_path / "a", data, "same", results(0.0, 0.5)),
        a_run(tmp_path / "b", data, "same", results(1.0, 1.0)),
    )
    rows = compare(*runs)
    assert rows["jigsaw"].p == pytest.approx(2 / 2**12)
    assert rows["jigsaw"].p_holm == pytest.approx(2 * 2 / 2**12)
    assert rows["other"].p == rows["other"].p_holm == pytest.approx(2 / 2**4)
    both = overall(*runs)
    # (0 + 0.5) / 2 and 1, where the mean over items would be 2 / 16.
    assert (both.before, both.after, both.difference) == pytest.approx((0.25, 1.0, 0.75))
    assert (both.n, both.videos, both.constant) == (16, 12, None)


def test_rows_and_overall_are_the_same_and_ask_each_policy_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = two_tasks(tmp_path / "data")
    other = [replace(answered(f"{i}", 0.5), sample=f"o{i}", task="other") for i in range(4)]
    results = [answered(str(i), 0.0) for i in range(12)] + other
    runs = [a_run(tmp_path / name, data, "same", results) for name in ("a", "b")]
    apart = compare(*runs), overall(*runs)
    asked: list[str] = []

    def answers(name: str, *args: Any) -> list[Result]:
        asked.append(name)
        return policy_answers(name, *args)

    policy_answers = policies.answers
    monkeypatch.setattr(policies, "answers", answers)
    assert rows_and_overall(load(*runs)) == apart
    assert sorted(asked) == sorted(policies.POLICIES)


def test_the_mean_of_one_task_is_its_row(tmp_path: Path, data: Path) -> None:
    results = [answered(str(i), i % 2) for i in range(12)]
    runs = [a_run(tmp_path / name, data, "same", results) for name in ("a", "b")]
    rows, whole = rows_and_overall(load(*runs))
    assert rows == {"jigsaw": whole} and whole == overall(*runs)


def test_runs_of_several_training_seeds_count_alike(tmp_path: Path, data: Path) -> None:
    before = a_run(tmp_path / "a", data, "same", [answered(str(i), 0.0) for i in range(12)])
    seeds = [
        a_run(tmp_path / str(score), data, "same", [answered(str(i), score) for i in range(12)])
        for score in (0.25, 0.75)
    ]
    row = compare(before, seeds)["jigsaw"]
    assert (row.after, row.difference, row.seeds) == (0.5, 0.5, 2)
    # Two seeds drawn of two: 0.25, 0.5 or 0.75.
    assert row.interval == pytest.approx((0.25, 0.75))
    assert not any("training seed" in warning for warning in row.warnings)


def test_warnings_say_what_figures_leave_out(tmp_path: Path, data: Path) -> None:
    before = [answered(str(i), 0.0) for i in range(4)]
    after = [answered(str(i), 0.0) for i in range(3)] + [answered("0", 0.0, "blind")]
    row = compare(
        a_run(tmp_path / "a", data, "same", before), a_run(tmp_path / "b", data, "same", after)
    )["jigsaw"]
    assert [warning.split(":")[0].split(",")[0] for warning in row.warnings] == [
        "1 training seed",
        "3 videos are too few for an interval",
        "a model was asked 1 of 3 items under the condition blind",
        "1 items were answered by one model only and are left out",
    ]
    assert row.blind is None


def test_models_that_were_sent_other_things_are_named(tmp_path: Path, data: Path) -> None:
    before = [replace(answered(str(i), 0.0), sent="a") for i in range(12)]
    # One was sent something else; of one it is not known.
    after = [replace(one, sent={0: "b", 1: ""}.get(i, "a")) for i, one in enumerate(before)]
    runs = [
        a_run(tmp_path / name, data, "same", results)
        for name, results in (("a", before), ("b", after), ("c", before))
    ]
    text = "1 of 12 items were shown to the models with another prompt"
    assert sum(text in warning for warning in compare(*runs[:2])["jigsaw"].warnings) == 1
    assert not any("another prompt" in w for w in compare(runs[0], runs[2])["jigsaw"].warnings)


def test_repeats_are_averaged(tmp_path: Path, data: Path) -> None:
    once = [answered(str(i), 0.0) for i in range(12)]
    thrice = [
        replace(answered(str(i), float(r > 0)), repeat=r) for i in range(12) for r in range(3)
    ]
    row = compare(
        a_run(tmp_path / "a", data, "same", once), a_run(tmp_path / "b", data, "same", thrice)
    )["jigsaw"]
    # Right in two of three: an item is right if most of its repeats are.
    assert row.after == pytest.approx(2 / 3) and row.mcnemar == (12, 0, 2 / 2**12)


def test_a_blind_run_that_is_missing_is_said_and_not_zero(tmp_path: Path, data: Path) -> None:
    results = [answered("0", 1.0)]
    runs = [a_run(tmp_path / name, data, "same", results) for name in ("a", "b")]
    assert compare(*runs)["jigsaw"].blind is None


def test_few_videos_have_no_interval(tmp_path: Path, data: Path) -> None:
    runs = [a_run(tmp_path / name, data, "same", [answered("0", 1.0)]) for name in ("a", "b")]
    row = compare(*runs)["jigsaw"]
    assert row.interval is None and row.to_json()["interval"] is None


def test_runs_of_other_samples_are_not_paired(tmp_path: Path, data: Path) -> None:
    first = a_run(tmp_path / "a", data, "one", [answered("0", 1.0)])
    second = a_run(tmp_path / "b", data, "two", [answered("0", 1.0)])
    with pytest.raises(UsageError, match=r"has samples one and .* has two"):
        compare(first, second)


def test_greedy_and_sampled_answers_are_not_compared(tmp_path: Path, data: Path) -> None:
    first = a_run(tmp_path / "a", data, "same", [answered("0", 1.0)], temperature=0.0)
    second = a_run(tmp_path / "b", data, "same", [answered("0", 1.0)], temperature=1.0)
    with pytest.raises(UsageError, match=r"has temperature 0\.0 and .* has 1\.0"):
        compare(first, second)


def test_runs_without_a_common_item_are_refused(tmp_path: Path, data: Path) -> None:
    first = a_run(tmp_path / "a", data, "same", [answered("0", 1.0)])
    second = a_run(tmp_path / "b", data, "same", [replace(answered("1", 1.0), condition="blind")])
    with pytest.raises(UsageError, match="no item in common"):
        compare(first, second)


def test_what_is_reported_may_be_sets(tmp_path: Path) -> None:
    # Pairs 0-1, 2-3, ...: the first model has every other sample right, the second one all but 0.
    made = jigsaws(*["123", "132"] * 12)
    paired = [replace(s, provenance={"set": str(i // 2)}) for i, s in enumerate(made)]
    write(tmp_path / "data", paired, {"videos": "x"})
    ids = [str(i) for i in range(24)]
    runs = (
        a_run(
            tmp_path / "a", tmp_path / "data", "x", [answered(i, float(int(i) % 2)) for i in ids]
        ),
        a_run(tmp_path / "b", tmp_path / "data", "x", [answered(i, float(i != "0")) for i in ids]),
    )
    for row in (compare(*runs, figure="sets")["jigsaw"], overall(*runs, figure="sets")):
        assert (row.before, row.after) == pytest.approx((0, 11 / 12))
        # Both videos of a pair are drawn together; a constant answer is right on one of them.
        assert row.videos == 12 and row.floors["best_constant"] == 0
    with pytest.raises(UsageError, match="unknown figure 'set'; did you mean 'sets'"):
        overall(*runs, figure="set")


def test_near_duplicates_are_one_source(tmp_path: Path) -> None:
    made = [
        replace(s, provenance={"near_duplicate_of": "0"}) if s.id in "123" else s
        for s in jigsaws(*["123", "132"] * 6)
    ]
    write(tmp_path / "data", made, {"videos": "x"})
    results = [answered(str(i), 1.0) for i in range(12)]
    runs = [a_run(tmp_path / name, tmp_path / "data", "x", results) for name in ("a", "b")]
    assert compare(*runs)["jigsaw"].videos == 9


def test_only_samples_that_were_asked_are_in_memory(tmp_path: Path) -> None:
    samples = [replace(sample, chance=0.5) for sample in jigsaws(*["123", "132"] * 150)]
    write(tmp_path / "data", samples, {"videos": "x"})
    asked = [answered(str(i), 0.5) for i in range(5)]
    run = a_run(tmp_path / "run", tmp_path / "data", "same", asked)
    del samples
    before = in_memory()
    runs = load(run, run)
    assert [sample.id for sample in runs.samples] == ["0", "1", "2", "3", "4"]
    assert in_memory() - before <= 5
    # The answers of a lone run are there once, and floors without the words around them.
    assert runs.after == [runs.before] and runs.after[0] is runs.before
    said = [
        r for answers in runs.policies.values() for rows in answers["full"].values() for r in rows
    ]
    assert said and not any(result.completion or result.scores for result in said)


def in_memory() -> int:
    gc.collect()
    # By its type, as asking some objects of torch warns.
    return sum(type(one) is Sample for one in gc.get_objects())
