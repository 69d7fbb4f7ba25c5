from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import hostile_rows
from tests.test_faults import a_sample


def test_every_value_of_a_row_is_harmed() -> None:
    row = hostile_rows._open(a_sample().to_row())
    names = [name for name, _, _ in hostile_rows.variants(row)]
    assert len(names) == len({*names}) >= 150
    for place in (*row, "media.0.frames.0.source_seconds", "media.0.edits.0.scale"):
        assert {f"{place} absent", f"{place} NaN", f"{place} huge"} <= {*names}


def test_what_comes_of_a_row_is_named_or_as_it_was() -> None:
    def judged(code: int | None, text: str) -> str:
        return hostile_rows._judged((code, text), (0, "12 samples"), "form")

    assert judged(0, "12 samples") == ""
    assert judged(2, "samples/held_out-00001.parquet, row 1: form is 'x'") == ""
    assert judged(0, "11 samples") == judged(2, "a row is wrong") == "silent"
    assert judged(None, "") == "traceback"


def test_harmed_rows_end_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostile_rows, "VALUES", {"huge": 2**62})
    monkeypatch.setattr(hostile_rows, "_places", lambda row: [("media", 0, "height"), ("chance",)])
    found = list(hostile_rows.tries(tmp_path))
    assert len(found) > 8 and {wrong for _, wrong in found} == {""}
