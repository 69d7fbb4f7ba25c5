from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kuleshov import notice
from kuleshov.clips import write_clips
from kuleshov.notice import EXIT, Notice, deferred, given, heeded

MAIN = "from kuleshov.cli import main; main()"


@pytest.mark.parametrize("number", notice.SIGNALS)
def test_a_notice_ends_what_is_being_done(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Notice, match=number.name), heeded(seconds=1000):
        os.kill(os.getpid(), number)
        time.sleep(5)
    assert signal.getsignal(number) is before and not given()


def test_where_it_is_deferred_it_is_taken_note_of() -> None:
    with heeded():
        assert not given()
        with deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            assert given()
            os.kill(os.getpid(), signal.SIGTERM)  # again, which changes nothing
        time.sleep(0.01)


def test_what_hangs_while_it_cleans_up_is_ended() -> None:
    script = (
        "import os, signal, time\n"
        "from kuleshov.notice import heeded\n"
        "with heeded(seconds=0.5):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    finally:\n"
        "        time.sleep(60)\n"
    )
    began = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", script], check=False)
    assert ran.returncode == EXIT and time.monotonic() - began < 30


@pytest.mark.parametrize("number", notice.SIGNALS)
def test_make_that_is_told_to_end_says_so_and_goes_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    write_clips(tmp_path / "videos", 12, seed=3, workers=0)
    command = [sys.executable, "-c", MAIN, "make", str(tmp_path / "videos"), "--task", "jigsaw"]
    environment = {**os.environ, "KULESHOV_CACHE": str(tmp_path / "cache")}
    work = tmp_path / "out" / ".making"
    started = subprocess.Popen(
        [*command, "-o", str(tmp_path / "out"), "--workers", "1"],
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    while not (work / "key").exists() and started.poll() is None:
        time.sleep(0.01)
    started.send_signal(number)
    _, told = started.communicate(timeout=60)
    assert started.returncode == EXIT, told
    assert f"told to end ({number.name}); the same command goes on" in told
    assert "Traceback" not in told and not (tmp_path / "out" / "summary.json").exists()
    for out in ("out", "other"):
        subprocess.run(
            [*command, "-o", str(tmp_path / out), "--workers", "0"], check=True, env=environment
        )
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / out / "samples").iterdir()}
        for out in ("out", "other")
    )
    assert one == other and one
