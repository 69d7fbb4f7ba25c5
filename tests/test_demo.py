"""The whole way, at the smallest size: what `make demo` does."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from kuleshov.demo import demo

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


def test_demo_goes_from_clips_to_a_page_with_figures(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))

    page = demo(recipe, tmp_path / "out")

    figures = json.loads((tmp_path / "out" / "result.json").read_text())["tasks"]["anomaly"]
    assert set(figures) == {
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
