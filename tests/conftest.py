"""Fixtures shared by all tests: procedural clips, and the real clips where they are.

`KULESHOV_TEST_VIDEOS` names a folder of real clips. Where it is set, the tests marked with the
`real_clips` fixture run too, and the summary says on how many clips; a set variable without
clips is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from kuleshov.clips import write_clips
from kuleshov.errors import UsageError
from kuleshov.read import find
from kuleshov.sample import Video

REAL = os.environ.get("KULESHOV_TEST_VIDEOS")
# Threads of models as small as those of the tests wait for each other most of the time. Said
# before torch is loaded, and to the processes that are started too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nothing is said of how long an example takes: that is for benchmarks, and the machine may be busy.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the user's cache is read or written; processes that are started inherit it."""
    for name in ("KULESHOV_CACHE", "XDG_STATE_HOME"):
        os.environ[name] = str(tmp_path_factory.mktemp("cache"))
    yield
    for name in ("KULESHOV_CACHE", "XDG_STATE_HOME"):
        del os.environ[name]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six procedural clips of 10 s, 120 frames, 64 x 64 pixels."""
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, 6, seed=7, seconds=10, workers=0)
    return folder


@pytest.fixture(scope="session")
def short_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve procedural clips of 4 s, 48 frames."""
    folder = tmp_path_factory.mktemp("short_clips")
    write_clips(folder, 12, seed=7, workers=0)
    return folder


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """The folder of real clips."""
    if REAL is None:
        pytest.skip("KULESHOV_TEST_VIDEOS is not set")
    return Path(REAL)


def a_video(
    num_frames: int = 100, start: float = 0.0, end: float = 10.0, size: tuple[int, int] = (64, 64)
) -> Video:
    """A video that exists only as a description."""
    height, width = size
    return Video("0" * 32, "v.mp4", "root", start, end, num_frames, width, height, "h264")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if REAL is None:
        terminalreporter.write_line("real clips: none tested (KULESHOV_TEST_VIDEOS is not set)")
    else:
        terminalreporter.write_line(f"real clips: {_count()} tested, from KULESHOV_TEST_VIDEOS")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if REAL is not None and _count() == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _count() -> int:
    try:
        return len(find(Path(REAL or "")))
    except UsageError:
        return 0
