"""The trials see what they are for: each kind of harm is planted once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from benchmarks import rivals
from benchmarks.rivals import AT, FOREIGN, PAIRS, Pair, Rivals
from kuleshov.cli import COMMANDS

ONE, OTHER = Pair("{out} a", "{out} a", 1), Pair("{out} a", "{out} b", 1)


@pytest.fixture
def trials(tmp_path: Path) -> Rivals:
    return Rivals(tmp_path, 0)


def planted(monkeypatch: pytest.MonkeyPatch, write: str) -> None:
    """Commands that do this instead, in the folder and with the letter that they are given."""

    def command(arguments: list[str]) -> int:
        out, letter = Path(arguments[0]), arguments[-1]
        first = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        if write == "mixed":
            (out / f"{letter}.txt").write_text(letter)
        elif write == "corrupt":
            (out / "a.txt").write_text("a" if first else "half")
        elif write == "silent" and not first:
            return 1
        elif write == "well":
            (out / "a.txt").write_text("a")
        return 0

    monkeypatch.setattr(rivals, "_command", command)


@pytest.mark.parametrize(
    ("write", "pair"), [("mixed", OTHER), ("corrupt", ONE), ("silent", ONE), ("well", ONE)]
)
def test_harm_between_two_is_counted(
    write: str, pair: Pair, trials: Rivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch, write)
    trials.reference(pair.one, pair)
    trials.seconds = dict.fromkeys((pair.one, pair.other), 0.3)
    trials.trial(write, pair, kill=False, together=False)
    found = {kind: n for kind, n in trials.found.items() if n}
    assert found == {"trials": 1, **({} if write == "well" else {write: 1})}


def test_a_folder_that_is_not_as_it_was_is_counted(
    trials: Rivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(arguments: list[str]) -> int:
        next(Path(arguments[-1]).rglob("*.txt")).write_text("gone")
        return 0

    monkeypatch.setattr(rivals, "_command", command)
    monkeypatch.setitem(AT, "make", "{out}")
    trials.foreign("notes", "make")
    assert trials.found["destroyed"] == 1


def _asleep() -> int:
    time.sleep(60)
    return 0


def test_a_process_that_was_killed_is_known(tmp_path: Path) -> None:
    process = rivals.fork(_asleep, tmp_path / "log")
    os.kill(process, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == rivals.KILLED


def test_there_are_enough_trials_of_every_command() -> None:
    assert sum(pair.trials for pair in PAIRS.values()) >= 200 and len(FOREIGN) >= 20
    assert {command.split()[0] for command in AT.values()} == COMMANDS.keys() - {"doctor"}
