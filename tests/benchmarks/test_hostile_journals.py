from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import harm, hostile_journals
from benchmarks.hostile import PARTS
from kuleshov import journal


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"cut in half": harm.KINDS["cut in half"]}
    killed = {"make": (*hostile_journals.KILLED["make late"],)}
    monkeypatch.setattr(harm, "KINDS", kinds)
    monkeypatch.setattr(hostile_journals, "KILLED", killed)
    monkeypatch.setattr(hostile_journals, "VIDEOS", 10)


def test_work_that_was_harmed_goes_on_or_ends_in_words(tmp_path: Path) -> None:
    assert PARTS["journals"] is hostile_journals.tries
    found = dict(hostile_journals.tries(tmp_path))
    assert {*found.values()} == {""} and len(found) > 20
    for name in ("make, .making/made/00000000", "eval, results.jsonl", "curate, replies.jsonl"):
        assert f"{name} cut in half" in found


def test_a_journal_that_believes_what_it_finds_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "unsealed", lambda path, **facts: (path.read_text(), True))
    assert any(wrong for _, wrong in hostile_journals.tries(tmp_path))
