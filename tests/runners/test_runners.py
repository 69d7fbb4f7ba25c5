from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kuleshov.errors import UsageError
from kuleshov.runners import Failed, Limits, Runner, runner

LIMITS = Limits(seconds=5.0, megabytes=2500)


def work(item: str) -> str:
    """What an item asks for."""
    if item == "die":
        os._exit(9)
    if item == "hang":
        time.sleep(60)
    if item == "grow":
        return str(np.ones(3 << 30, np.uint8).sum())
    return item.upper()


@pytest.fixture(params=[0, 2])
def a_runner(request: pytest.FixtureRequest) -> Runner:
    return runner("local", request.param, LIMITS)


def test_results_come_in_the_order_of_the_items(a_runner: Runner) -> None:
    items = [chr(97 + i % 26) for i in range(100)]
    assert list(a_runner.map(work, items)) == [item.upper() for item in items]


def test_items_are_taken_as_results_are_taken(a_runner: Runner) -> None:
    taken = 0

    def items() -> Iterator[str]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield "a"

    results = a_runner.map(work, items())
    assert next(results) == "A"
    assert taken <= 16
    del results


def test_what_ends_its_process_fails_alone() -> None:
    items = ["a", "die", "b", "hang", "c", "grow", "d", "die", "e"]
    assert list(runner("local", 2, LIMITS).map(work, items)) == [
        "A",
        Failed("the process that worked on it died (exit code 9)"),
        "B",
        Failed("took more than 5 s"),
        "C",
        Failed("needs more than 2500 MB of memory"),
        "D",
        Failed("the process that worked on it died (exit code 9)"),
        "E",
    ]


def once(item: str) -> str:
    """Dies or hangs at the first time, as where the memory or the time was taken by others."""
    kind, _, path = item.partition(" ")
    if not path:
        return kind
    with Path(path).open("a") as file:
        file.write(".")
    if len(Path(path).read_text()) == 1:
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    return kind


def test_what_was_lost_with_its_process_is_worked_on_once_more(tmp_path: Path) -> None:
    with runner("local", 2, LIMITS) as run:
        items = ["a", f"kill {tmp_path / 'one'}", "b", f"hang {tmp_path / 'other'}", "c"]
        assert list(run.map(once, items)) == ["a", "kill", "b", "hang", "c"]
        assert run.retried == 2


def alone(item: str) -> str:
    """Dies as long as somebody else is at work, of which each leaves a file while he is."""
    folder, _, name = item.rpartition("/")
    own = Path(folder) / f"at-work-{name}"
    own.touch()
    try:
        time.sleep(0.3)
        others = [other for other in Path(folder).glob("at-work-*") if other != own]
        if name == "shy" and others:
            own.unlink()
            os._exit(9)
    finally:
        own.unlink(missing_ok=True)
    return name


def test_the_second_time_nothing_else_is_worked_on(tmp_path: Path) -> None:
    items = [f"{tmp_path}/{name}" for name in ("a", "b", "shy", "c", "d", "e")]
    with runner("local", 2, LIMITS) as run:
        assert list(run.map(alone, items)) == ["a", "b", "shy", "c", "d", "e"]
        assert run.retried <= 1


def test_a_machine_that_sleeps_takes_no_time_of_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = time.time
    began = whole()
    # The clock on the wall jumps ahead by a day while an item is worked on.
    monkeypatch.setattr(time, "time", lambda: whole() + 86_400 * (whole() > began + 0.2))
    with runner("local", 1, LIMITS) as run:
        assert list(run.map(slow, ["a", "b"])) == ["A", "B"]
        assert run.retried == 0


def slow(item: str) -> str:
    time.sleep(0.6)
    return item.upper()


def test_an_error_of_the_work_itself_comes_through(a_runner: Runner) -> None:
    with pytest.raises(AttributeError):
        list(a_runner.map(work, [3]))  # type: ignore[arg-type]


def test_a_script_that_its_processes_would_run_again_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from kuleshov.runners import runner\n"
        "with runner('local', 1) as run:\n"
        "    print(list(run.map(abs, [-1])))\n"
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert "UsageError: the processes cannot be started; in a script" in ran.stderr
    guarded = script.read_text().replace("with", "if __name__ == '__main__':\n  with")
    script.write_text(guarded.replace("    print", "      print"))
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[1]\n"


def test_a_runner_that_is_not_known_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown runner 'locally'; did you mean 'local'"):
        runner("locally")


@pytest.mark.parametrize(("seconds", "megabytes"), [(0, 2000), (1, 100)])
def test_limits_that_nothing_keeps_are_refused(seconds: float, megabytes: int) -> None:
    with pytest.raises(UsageError, match="allowed: more than 0 s"):
        Limits(seconds, megabytes)
