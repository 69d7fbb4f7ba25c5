from __future__ import annotations

import os
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
