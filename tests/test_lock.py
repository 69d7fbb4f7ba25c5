from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kuleshov import lock
from kuleshov.errors import UsageError, WriteError
from kuleshov.files import temporary
from kuleshov.lock import LOCK, locked
from kuleshov.owned import writing

HOLD = """
import sys, time
from pathlib import Path
from kuleshov import lock
lock.machine = lambda: {machine!r}
lock.RENEW = 0.1
from kuleshov.owned import writing
with writing(Path({folder!r}), "samples"):
    print("held", flush=True)
    time.sleep({seconds})
"""


def holder(folder: Path, machine: str | None = None, seconds: float = 60) -> subprocess.Popen[str]:
    """Another process that holds a folder's lock."""
    code = HOLD.format(machine=machine or lock.machine(), folder=str(folder), seconds=seconds)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_the_lock_is_gone_when_the_work_is_done(tmp_path: Path) -> None:
    with locked(tmp_path), locked(tmp_path):
        owner = json.loads((tmp_path / LOCK).read_text())
        assert owner["process"] == os.getpid() and {"host", "command", "since"} <= owner.keys()
    assert not list(tmp_path.iterdir())


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    process = holder(tmp_path)
    with pytest.raises(UsageError, match=rf"being written by `.*process {process.pid} on .*since"):
        locked(tmp_path).__enter__()
    killed(process)


def test_another_thread_is_another_writer(tmp_path: Path) -> None:
    found: list[Exception] = []

    def other() -> None:
        try:
            locked(tmp_path).__enter__()
        except UsageError as error:
            found.append(error)

    with locked(tmp_path):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(found) == 1


def test_after_a_kill_the_lock_is_taken_over_and_what_was_left_is_swept(tmp_path: Path) -> None:
    killed(holder(tmp_path))
    left = temporary(tmp_path / "samples" / "train-00000.parquet")
    left.parent.mkdir()
    left.touch()
    with writing(tmp_path, "samples"):
        assert not left.exists()


def test_a_killed_owner_that_nobody_has_waited_for_is_dead(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.kill()
    time.sleep(0.2)  # a zombie now
    with locked(tmp_path) as behind:
        assert behind
    process.communicate()


def test_a_process_number_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    with locked(tmp_path):
        owner = json.loads((tmp_path / LOCK).read_text())
    (tmp_path / LOCK).write_text(json.dumps(owner | {"born": "1"}))
    with locked(tmp_path) as behind:
        assert behind


def test_two_hosts_keep_apart_for_as_long_as_the_lease_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LEASE", 0.5)
    process = holder(tmp_path, "elsewhere")
    for _ in range(4):
        time.sleep(0.25)
        with pytest.raises(UsageError, match="being written"):
            locked(tmp_path).__enter__()
    killed(process)
    with pytest.raises(UsageError, match="after its last sign of life"):
        locked(tmp_path).__enter__()  # its process cannot be asked
    time.sleep(0.7)
    with locked(tmp_path) as behind:
        assert behind


def test_one_whose_lock_was_taken_over_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RENEW", 0.05)
    with pytest.raises(WriteError, match="was taken over"), locked(tmp_path):
        (tmp_path / LOCK).write_text(json.dumps({"process": 1, "token": "another's"}))
        for _ in range(200):
            time.sleep(0.02)
    assert (tmp_path / LOCK).exists()  # the other one's


@pytest.mark.parametrize("content", ["", "{", "[]", '{"process": "x"}'])
def test_a_lock_that_does_not_say_whose_it_is_holds_for_a_moment(
    content: str, tmp_path: Path
) -> None:
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(UsageError, match="another process begins"):
        locked(tmp_path).__enter__()
    then = time.time() - 10
    os.utime(tmp_path / LOCK, (then, then))
    with locked(tmp_path):
        pass


def test_of_many_that_take_over_one_has_it(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text(json.dumps({"process": 2**30, "machine": lock.machine()}))
    held, most, ends = [0], [0], threading.Barrier(8)

    def one() -> None:
        ends.wait()
        for _ in range(50):
            try:
                with locked(tmp_path):
                    held[0] += 1
                    most[0] = max(most[0], held[0])
                    time.sleep(0.001)
                    held[0] -= 1
            except UsageError:
                time.sleep(0.001)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
