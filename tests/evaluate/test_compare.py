from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kuleshov.dataset import write
from kuleshov.errors import UsageError
from kuleshov.evaluate.compare import compare
from kuleshov.evaluate.results import Result, append_results
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
    assert row.interval == (0.5, 0.5)  # every video gained the same
    assert (row.n, row.videos) == (12, 12)
    assert row.failures_before == pytest.approx(2 / 12) and row.failures_after == 0
    # The best constant, 123 or 132, earns 1 and 1/2 in turn: 0.75. Chance: mean of 0.0 to 1.1.
    assert row.best_constant == pytest.approx(0.75) and row.chance == pytest.approx(0.55)
    assert row.corrected == pytest.approx(0)
    assert set(row.to_json()) == {
        "chance",
        "best_constant",
        "blind",
        "before",
        "after",
        "difference",
        "interval",
        "n",
        "videos",
    }


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
