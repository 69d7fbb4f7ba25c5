from __future__ import annotations

from pathlib import Path

import pytest

from kuleshov import journal as module
from kuleshov.journal import Journal, Lines
from kuleshov.runners import Failed, Here
from kuleshov.sample import Json, dump_json


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 4)


class Interrupted(Exception):
    pass


def run(journal: Journal, done: list[int], stop_at: int | None = None) -> list[tuple[int, int]]:
    """Square 0 to 9; what is worked on goes to `done`. Returns what progress was told."""

    def square(item: int) -> Json:
        if item == stop_at:
            raise Interrupted
        done.append(item)
        return item**2

    told: list[tuple[int, int]] = []
    journal.run(
        "squares",
        square,
        range(10),
        lambda item, failed: [item, failed.reason],
        Here(),
        lambda what, *count: told.append(count),
        "squaring",
    )
    return told


def test_results_come_in_the_order_of_the_items(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "work", "key")
    assert run(journal, [])[-1] == (10, 10)
    assert list(journal.results("squares")) == [i**2 for i in range(10)]


def test_interrupted_work_goes_on_at_the_first_part_that_is_missing(tmp_path: Path) -> None:
    done: list[int] = []
    with pytest.raises(Interrupted):
        run(Journal(tmp_path, "key"), done, stop_at=6)
    assert done == [0, 1, 2, 3, 4, 5]
    told = run(Journal(tmp_path, "key"), done)
    assert done[6:] == [4, 5, 6, 7, 8, 9]
    assert told[0] == (4, 10)
    assert list(Journal(tmp_path, "key").results("squares")) == [i**2 for i in range(10)]


def test_another_key_starts_over(tmp_path: Path) -> None:
    done: list[int] = []
    run(Journal(tmp_path, "key"), done)
    run(Journal(tmp_path, "other"), done)
    assert done == [*range(10), *range(10)]


def test_an_item_that_failed_has_a_result_too(tmp_path: Path) -> None:
    class Failing(Here):  # type: ignore[misc]
        def map(self, function, items):  # type: ignore[no-untyped-def]
            return (Failed("died") if item == 2 else function(item) for item in items)

    journal = Journal(tmp_path, "key")
    journal.run(
        "x", str, range(4), lambda i, f: [i, f.reason], Failing(), lambda *_: None, "trying"
    )
    assert list(journal.results("x")) == ["0", "1", [2, "died"], "3"]


def test_removed_work_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "work", "key")
    journal.remove()
    assert list(tmp_path.iterdir()) == []


def test_lines_are_read_one_at_a_time_and_in_slices(tmp_path: Path) -> None:
    values: list[Json] = ["a", {"b": "ü"}, [], None, 5]
    path = tmp_path / "lines"
    path.write_text("".join(f"{dump_json(value)}\n" for value in values))
    lines = Lines(path)
    assert len(lines) == 5
    assert list(lines) == values
    assert [lines[i] for i in (-1, 0, 1)] == [5, "a", {"b": "ü"}]
    assert lines[1:4] == values[1:4]
    with pytest.raises(IndexError):
        lines[5]
