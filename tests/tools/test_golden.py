from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tools.golden import hashes

ROW = {"id": "a", "answer": "3", "provenance": '{"seed": 1, "versions": {"av": "1"}}'}
STEP = {"phase": "sft", "step": 1, "loss": 0.25, "step_time": 1.5}


def a_run(folder: Path, row: dict[str, Any], step: dict[str, Any], seconds: float) -> Path:
    samples = folder / "samples"
    samples.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([row]), samples / "train-00000.parquet")
    (folder / "metrics.jsonl").write_text(json.dumps(step) + "\n")
    (folder / "summary.json").write_text(json.dumps({"samples": 1, "seconds": seconds}))
    (folder / "environment.json").write_text(json.dumps(seconds))
    return folder


def test_times_and_versions_change_no_hash(tmp_path: Path) -> None:
    later = {**ROW, "provenance": '{"versions": {"av": "2"}, "seed": 1}'}
    first = hashes("run", a_run(tmp_path / "a", ROW, STEP, 1.0))
    assert hashes("run", a_run(tmp_path / "b", later, {**STEP, "step_time": 9.0}, 2.0)) == first


@pytest.mark.parametrize(
    ("row", "step"),
    [({**ROW, "id": "b"}, STEP), ({**ROW, "answer": "4"}, STEP), (ROW, {**STEP, "loss": 0.251})],
)
def test_an_id_an_answer_and_a_loss_change_one(
    tmp_path: Path, row: dict[str, Any], step: dict[str, Any]
) -> None:
    first = hashes("run", a_run(tmp_path / "a", ROW, STEP, 1.0))
    other = hashes("run", a_run(tmp_path / "b", row, step, 1.0))
    assert sum(first[name] != other[name] for name in first) == 1
