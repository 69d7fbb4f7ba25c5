from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import av
import pytest

from kuleshov import read
from kuleshov.errors import UsageError
from kuleshov.files import replacing
from kuleshov.runners import Limits, runner, system
from kuleshov.runners.local import _exit


def limited(limit: str, code: str) -> str:
    """The last line that some Python prints below a limit."""
    guarded = "if __name__ == '__main__':\n" + "".join(f"  {line}\n" for line in code.split("\n"))
    path = Path(os.environ["KULESHOV_CACHE"]) / "limited.py"
    path.write_text(f"def work(item):\n  return bytes(item)[:1]\n{guarded}")
    command = ["bash", "-c", f'ulimit {limit}; exec "$0" "$1"', sys.executable, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return (ran.stdout + ran.stderr).strip().splitlines()[-1]


WORK = """from kuleshov.runners import Limits, runner
with runner('local', 1, Limits(60, 2500)) as run:
    print(list(run.map(work, [1, 3 << 30])))"""


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("-n 16", "16 files open (`ulimit -n`), and 1 workers need 32"),
        ("-v 900000", "may take 878 MB of memory (`ulimit -v`), and needs 1024 MB"),
        ("-v 2000000", "needs more memory than the 1953 MB that a process may take (`ulimit -v`)"),
        ("-v 9000000", "Failed(reason='needs more than 2500 MB of memory')"),
    ],
)
def test_a_limit_is_told_by_its_name(limit: str, said: str) -> None:
    assert said in limited(limit, WORK)


def fails(number: int) -> None:
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_the_machine_lacks_is_no_fault_of_an_item(number: int) -> None:
    with (
        runner("local", 1, Limits(60, 2500)) as run,
        pytest.raises(UsageError, match=r"the work cannot go on: .*; (allow|close)"),
    ):
        list(run.map(fails, [number]))


@pytest.mark.parametrize("name", ["read", "opened"])
def test_a_video_is_no_skip_where_no_file_can_be_opened(
    name: str, short_clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(*((read, "facts") if name == "read" else (av, "open")), no_more)
    with pytest.raises(OSError, match="Too many open files"):
        read.read_video(short_clips, "clip-0000.mp4")


def test_files_are_allowed_up_to_the_hard_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (16, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, values: allowed.append(values))
    system.check(10, 0)
    assert allowed == [(104, 4096)]


def test_what_is_lacking_is_found_behind_an_error() -> None:
    thread = RuntimeError("can't start new thread")
    assert "ulimit -u" in str(system.lacking(thread))
    assert "ulimit -v" in str(system.lacking(MemoryError()))
    assert system.lacking(OSError(errno.ENOENT, "no such file")) is None
    error = RuntimeError("broken")
    error.__cause__ = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    assert "Resource temporarily unavailable; allow more processes" in str(system.lacking(error))
    assert "ulimit -t" in _exit(-24) and _exit(9) == "exit code 9"


def test_a_file_that_may_not_be_so_large_is_told(tmp_path: Path) -> None:
    larger = r"allow larger files \(`ulimit -f unlimited`\)"
    with pytest.raises(OSError, match=larger), replacing(tmp_path / "x"):
        raise OSError(errno.EFBIG, "File too large")
