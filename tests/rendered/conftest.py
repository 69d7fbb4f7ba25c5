from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from kuleshov.synthesize import MakeConfig, make


@pytest.fixture(scope="session")
def videos(short_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four short clips, which nobody changes."""
    folder = tmp_path_factory.mktemp("videos")
    for path in sorted(short_clips.iterdir())[:4]:
        shutil.copy2(path, folder)
    return folder


@pytest.fixture(scope="session")
def data(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small samples of these clips, on both sides; a video may lie in two shards."""
    return make_set(videos, tmp_path_factory.mktemp("set"))


def make_set(videos: Path, out: Path) -> Path:
    small = {"num_frames": 12, "min_pixels": 64 * 64, "max_pixels": 64 * 64}
    tasks: dict[str, dict[str, Any]] = {
        "anomaly": {**small, "min_segment": 2, "max_segment": 4},
        "counting": {**small, "max_frames": 1},
        "jigsaw": {**small, "num_clips": 4},
    }
    make(videos, out, MakeConfig(tasks=tasks, held_out=0.3, seed=2, workers=0))
    return out
