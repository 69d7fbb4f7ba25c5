from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kuleshov.errors import UsageError
from kuleshov.runners import Failed, Limits, Runner, runner
from kuleshov.synthesize import MakeConfig, make
from tests.runners.test_runners import work
from tests.test_synthesize import all_bytes

pytest.importorskip("ray", reason="the extra ray is not installed")


@pytest.fixture(scope="module")
def on_ray() -> Iterator[Runner]:
    with runner("ray", 2, Limits(seconds=10.0, megabytes=2500)) as run:
        yield run


def kill_the_worker_once(item: tuple[int, str]) -> int:
    """Number 40 kills Ray's worker: its fork server is the parent of the process that this is."""
    number, flag = item
    if number == 40 and not Path(flag).exists():
        Path(flag).touch()
        os.kill(psutil.Process().parents()[1].pid, signal.SIGKILL)
        os._exit(1)
    return number * 2


def test_results_come_in_the_order_of_the_items(on_ray: Runner) -> None:
    items = [chr(97 + i % 26) for i in range(100)]
    assert list(on_ray.map(work, items)) == [item.upper() for item in items]


def test_what_ends_its_process_fails_alone(on_ray: Runner) -> None:
    died = Failed("the process that worked on it died (exit code 9)")
    slow = Failed("took more than 10 s")
    assert list(on_ray.map(work, ["a", "die", "hang", "b"])) == ["A", died, slow, "B"]


def test_a_killed_worker_is_survived(on_ray: Runner, tmp_path: Path) -> None:
    flag = str(tmp_path / "killed")
    results = list(on_ray.map(kill_the_worker_once, [(i, flag) for i in range(96)]))
    assert results == [2 * i for i in range(96)]
    assert Path(flag).exists()


def test_ray_and_local_write_the_same_bytes(
    on_ray: Runner, short_clips: Path, tmp_path: Path
) -> None:
    del on_ray  # runs already
    for name, workers in (("local", 0), ("ray", 2)):
        make(short_clips, tmp_path / name, MakeConfig(runner=name, workers=workers))
    assert all_bytes(tmp_path / "ray") == all_bytes(tmp_path / "local")


def test_without_ray_the_runner_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(UsageError, match=r"pip install 'kuleshov\[ray\]'"):
        runner("ray")
