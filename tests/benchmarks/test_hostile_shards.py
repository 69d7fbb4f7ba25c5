from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import pytest

from benchmarks import harm, hostile_shards
from benchmarks.hostile import PARTS
from kuleshov import dataset
from kuleshov.rendered import formats


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harm, "KINDS", {"deleted": harm.KINDS["deleted"]})
    monkeypatch.setattr(formats, "FORMATS", {"tar": formats.FORMATS["tar"]})


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    opened = {name: hostile_shards.OPENED[name] for name in names}
    monkeypatch.setattr(hostile_shards, "OPENED", opened)


def test_sets_that_were_harmed_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PARTS["shards"] is hostile_shards.tries
    only(monkeypatch, "eval", "make again")
    all_tries = hostile_shards.tries(tmp_path)
    found = dict(takewhile(lambda one: not one[0].startswith("check of"), all_tries))
    assert {*found.values()} == {""} and len(found) > 30
    for name in ("eval, samples/train-00001.parquet deleted", "tar again, train-00000.tar deleted"):
        assert name in found


def test_a_set_that_believes_what_it_finds_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "eval")
    monkeypatch.setattr(dataset, "harmed_files", lambda out, splits=(): {})
    monkeypatch.setattr(hostile_shards, "_of_rendered", lambda folder, name: ())
    found = dict(hostile_shards.tries(tmp_path))
    assert found["eval, samples/held_out-00000.parquet deleted"] == "silent"
