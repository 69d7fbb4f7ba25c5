from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from kuleshov.errors import UsageError
from kuleshov.evaluate.results import (
    Result,
    append_results,
    load_results,
)


def result(sample: str = "s", condition: str = "full", score: float = 0.5) -> Result:
    return Result(sample, "jigsaw", "v", condition, 0, "<b>2143\n", [2, 1, 4, 3], score, 8, 100)


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
    # And it does not take the next one with it.
    append_results(tmp_path, [result("c")])
    assert [r.sample for r in load_results(tmp_path)] == ["a", "c"]


def test_results_of_earlier_versions_are_read(tmp_path: Path) -> None:
    line = {
        key: value
        for key, value in asdict(result()).items()
        if key not in ("scores", "seconds", "sizes", "sent", "finish")
    }
    (tmp_path / "results.jsonl").write_text(json.dumps(line) + "\n")
    assert load_results(tmp_path) == [result()]


@pytest.mark.parametrize("tokens", ["321", 3.5, [1], {"n": 1}, True])
def test_tokens_that_an_endpoint_made_up_are_not_known(tokens: object, tmp_path: Path) -> None:
    line = json.dumps({**asdict(result()), "num_tokens": tokens})
    (tmp_path / "results.jsonl").write_text(f"{line}\n")
    assert [r.num_tokens for r in load_results(tmp_path)] == [None]


def test_no_answer_is_not_parsed() -> None:
    assert result().parsed
    assert not replace(result(), answer=None).parsed


def test_a_folder_without_results_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="kuleshov eval MODEL OUT"):
        load_results(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("sample", 3),
            ("task", None),
            ("score", "0.5"),
            ("score", float("nan")),
            ("repeat", 0.5),
        ),
        *(("completion", ["A"]), ("scores", {"reward": "1"}), ("scores", [1]), ("seconds", 3)),
        *(("sizes", [["a"]]), ("sampling", {"top_p": []}), ("num_frames", {}), ("more", 1)),
    ],
)
def test_a_line_that_is_no_result_is_named(tmp_path: Path, field: str, value: Any) -> None:
    line = {**asdict(result()), field: value}
    (tmp_path / "results.jsonl").write_text(f"{json.dumps(line)}\n")
    said = rf"results\.jsonl has a line that is no result \({field}.*: .*\); remove it"
    with pytest.raises(UsageError, match=said):
        load_results(tmp_path)


def test_a_line_that_lacks_a_field_is_named(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text('{"sample": "a"}\n')
    with pytest.raises(UsageError, match=r"that is no result \(task: Field required\)"):
        load_results(tmp_path)
