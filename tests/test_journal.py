from __future__ import annotations

from collections.abc import Callable
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


def run(
    journal: Journal, done: list[int], stop_at: int | None = None, first: int = 0, given: str = ""
) -> list[tuple[int, int]]:
    """Square 10 items; what is worked on goes to `done`. Returns what progress was told."""

    def square(item: int) -> Json:
        if item == stop_at:
            raise Interrupted
        done.append(item)
        return item**2

    told: list[tuple[int, int]] = []
    journal.run(
        "squares",
        square,
        range(first, first + 10),
        lambda item, failed: [item, failed.reason],
        Here(),
        lambda what, *count: told.append(count),
        "squaring",
        given=given,
    )
    return told


def part(folder: Path, number: int) -> Path:
    return folder / "squares" / f"{number:08}"


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


HARM: dict[str, Callable[[Path, Path], object]] = {
    "emptied": lambda path, other: path.write_bytes(b""),
    "a line less": lambda path, other: path.write_bytes(path.read_bytes()[:-3]),
    "cut in a line": lambda path, other: path.write_bytes(path.read_bytes()[:-1]),
    "zeroed": lambda path, other: path.write_bytes(bytes(path.stat().st_size)),
    "zeroed behind its seal": lambda path, other: path.write_bytes(
        path.read_bytes().split(b"\n")[0] + b"\n" + bytes(9)
    ),
    "no text": lambda path, other: path.write_bytes(b"\xff\xfe" * 9),
    "another part": lambda path, other: path.write_bytes(other.read_bytes()),
    "deeply nested": lambda path, other: path.write_bytes(b"[" * 100_000),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_part_that_was_harmed_is_worked_on_again(
    harm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(Journal(tmp_path, "key"), [])
    whole = {path.name: path.read_bytes() for path in (tmp_path / "squares").iterdir()}
    HARM[harm](part(tmp_path, 1), part(tmp_path, 0))
    done: list[int] = []
    run(Journal(tmp_path, "key"), done)
    assert done == [4, 5, 6, 7]
    assert [record.message.split()[0] for record in caplog.records] == [str(part(tmp_path, 1))]
    assert {path.name: path.read_bytes() for path in (tmp_path / "squares").iterdir()} == whole


def test_parts_of_other_items_are_worked_on_again(tmp_path: Path) -> None:
    run(Journal(tmp_path, "key"), [])
    done: list[int] = []
    run(Journal(tmp_path, "key"), done, first=1)
    run(Journal(tmp_path, "key"), done, first=1, given="otherwise")
    assert done == 2 * [*range(1, 11)]


def test_parts_of_more_items_are_forgotten(tmp_path: Path) -> None:
    run(Journal(tmp_path, "key"), [])
    part(tmp_path, 3).write_bytes(part(tmp_path, 2).read_bytes())
    journal = Journal(tmp_path, "key")
    run(journal, [])
    assert list(journal.results("squares")) == [i**2 for i in range(10)]


def unseal(path: Path) -> None:
    """As a version wrote it that had no seals."""
    path.write_bytes(path.read_bytes().split(b"\n", 1)[1])


def test_parts_without_a_seal_are_taken_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(Journal(tmp_path, "key"), [])
    for number in range(3):
        unseal(part(tmp_path, number))
    done: list[int] = []
    journal = Journal(tmp_path, "key")
    run(journal, done)
    assert done == [] and list(journal.results("squares")) == [i**2 for i in range(10)]
    (record,) = caplog.records
    assert record.message.startswith(f"3 parts in {tmp_path / 'squares'} are of a version")


def test_parts_without_a_seal_have_as_many_results_as_items(tmp_path: Path) -> None:
    run(Journal(tmp_path, "key"), [])
    for number in range(3):
        unseal(part(tmp_path, number))
    part(tmp_path, 0).write_bytes(b"0\n1\n4\n")
    part(tmp_path, 2).write_bytes(b"64\n8")
    part(tmp_path, 1).write_bytes(b"16\n25\n36\n4x\n")
    done: list[int] = []
    run(Journal(tmp_path, "key"), done)
    assert done == [*range(8)]


@pytest.mark.parametrize("key", [b"", b"ke", bytes(3), b"\xff\xfe"])
def test_a_key_that_was_harmed_starts_over(key: bytes, tmp_path: Path) -> None:
    run(Journal(tmp_path, "key"), [])
    (tmp_path / "key").write_bytes(key)
    done: list[int] = []
    run(Journal(tmp_path, "key"), done)
    assert done == [*range(10)]


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
