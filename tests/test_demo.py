"""The whole way, at the smallest size: what `make demo` does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from kuleshov.demo import _FILES, demo
from kuleshov.errors import UsageError
from kuleshov.owned import MARK, remove

RECIPE = {
    "demo": {"num_clips": 12, "family": "qwen2_5_vl"},
    "make": {
        "tasks": {
            "anomaly": {
                "num_frames": 8,
                "min_frames": 8,
                "min_segment": 2,
                "max_segment": 4,
                "min_pixels": 3136,
                "max_pixels": 3136,
                "size_multiple": 28,
            }
        },
        "held_out": 0.4,
    },
    "train": {
        "sft": {"steps": 2, "batch_size": 4, "learning_rate": 1e-3},
        "grpo": {"steps": 1, "prompts_per_step": 2, "group_size": 2, "max_completion_tokens": 8},
    },
    "eval": {"batch_size": 8, "max_completion_tokens": 8},
}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


def test_demo_goes_from_clips_to_a_page_with_figures(recipe: Path, tmp_path: Path) -> None:
    page = demo(recipe, tmp_path / "out")

    figures = json.loads((tmp_path / "out" / "result.json").read_text())["tasks"]["anomaly"]
    assert set(figures) >= {
        "chance",
        "best_constant",
        "blind",
        "before",
        "after",
        "difference",
        "interval",
        "n",
        "videos",
    }
    # Fewer than ten held-out videos: no interval, and the page says so.
    assert figures["videos"] < 10
    assert figures["interval"] is None
    assert "too few for an interval" in page.read_text()
    assert "12 procedural clips of seed 0" in page.read_text()

    # The next demo in that folder starts over, and nothing of this one is in its way.
    remove(tmp_path / "out", *_FILES)
    left = [str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*")]
    assert left == [MARK]


def test_demo_runs_on_two_videos_of_your_own(recipe: Path, tmp_path: Path, clips: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("clip-0000.mp4", "clip-0001.mp4"):
        shutil.copy(clips / name, videos / name)
    demo(recipe, tmp_path / "out", videos)
    figures = json.loads((tmp_path / "out" / "result.json").read_text())["tasks"]["anomaly"]
    assert (figures["videos"], figures["interval"]) == (1, None)
    # GRPO makes its steps with what there is.
    metrics = (tmp_path / "out" / "train" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["phase"] for line in metrics].count("grpo") >= 1


def test_one_video_is_too_few_and_says_so(recipe: Path, tmp_path: Path, clips: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(clips / "clip-0000.mp4", videos)
    with pytest.raises(UsageError, match="which need two videos"):
        demo(recipe, tmp_path / "out", videos)
