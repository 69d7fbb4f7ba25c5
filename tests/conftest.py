"""Fixtures shared by all tests: small procedural clips, and the real clips where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kuleshov.clips import write_clips

_REAL = os.environ.get("KULESHOV_TEST_VIDEOS")


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve procedural clips of 4 s with 48 frames each."""
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, 12, seed=7)
    return folder
