"""A set may be larger than the memory."""

from __future__ import annotations

import gc
import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from kuleshov import dataset
from kuleshov.audit import audit
from kuleshov.dataset import iterate_rows, load_samples, samples_at, write
from kuleshov.sample import Sample
from kuleshov.synthesize import MakeConfig, make

COPIES = 20


@pytest.fixture(scope="module")
def many(short_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """480 samples of 12 clips, each a copy of another's row but for its id."""
    folder = tmp_path_factory.mktemp("many")
    few = folder / "few"
    make(short_clips, few, MakeConfig(workers=0, tasks={"arrow": {}, "counting": {}}))
    samples = [
        replace(sample, id=f"{sample.id}-{copy}")
        for sample in load_samples(few)
        for copy in range(COPIES)
    ]
    write(folder / "set", samples, {"videos": str(short_clips)})
    return folder / "set"


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "_ROWS_PER_GROUP", 10)
    monkeypatch.setattr(importlib.import_module("kuleshov.audit.audit"), "MOST", 20)


def in_memory() -> int:
    # By its type, as asking some objects of torch warns.
    return sum(type(one) is Sample for one in gc.get_objects())


@pytest.mark.usefixtures("small_steps")
def test_few_samples_are_in_memory_at_a_time(many: Path) -> None:
    gc.collect()
    before, seen = in_memory(), {"": 0}
    stages: dict[str, list[tuple[int, int]]] = {}

    def progress(what: str, done: int, total: int) -> None:
        stages.setdefault(what, []).append((done, total))
        seen[what] = max(seen.get(what, 0), in_memory() - before)

    findings = audit(many, num_samples=3, progress=progress)
    assert sum(floor.samples for floor in findings.floors) == 24 * COPIES
    assert max(seen.values()) <= 40, seen
    # It says how far it is, to the end of each stage.
    assert {"reading samples", "comparing answers", "looking at samples"} <= stages.keys()
    assert all(told[-1][0] == told[-1][1] for told in stages.values())
    assert stages["reading samples"][-1] == (24 * COPIES, 24 * COPIES)


@pytest.mark.usefixtures("small_steps")
def test_what_is_of_some_samples_only_says_so(many: Path) -> None:
    notes = [str(one) for one in audit(many, num_samples=3).warnings if one.kind == "note"]
    for entry in ("arrow", "counting"):
        text = "best constant and commonest answer are those of 20 of its samples"
        assert f"note: {entry}: {text}" in notes


def test_chance_is_that_of_all_samples(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = audit(many, num_samples=0)
    monkeypatch.setattr(importlib.import_module("kuleshov.audit.audit"), "MOST", 20)
    some = audit(many, num_samples=0)
    assert [one.chance for one in some.floors] == [one.chance for one in whole.floors]
    assert [one.samples for one in some.floors] == [one.samples for one in whole.floors]


def test_any_number_of_processes_finds_the_same(many: Path) -> None:
    assert repr(audit(many, 3, workers=2)) == repr(audit(many, 3))


@pytest.mark.usefixtures("small_steps")
def test_samples_are_found_by_their_places(many: Path) -> None:
    rows = list(iterate_rows(many))
    places = [0, 9, 10, 11, 479]
    assert list(samples_at(many, reversed(places))) == [rows[place] for place in places]
