"""VideoPerceiver's recipes, from clips to a trained tiny model by the commands of their header."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from kuleshov.cli import app
from kuleshov.dataset import load_samples, load_summary
from kuleshov.frames import write_video
from kuleshov.recipe import load, packaged
from kuleshov.synthesize import MakeConfig
from kuleshov.train import tiny
from kuleshov.train.comparative import Comparative
from kuleshov.train.config import TrainConfig
from tests.features.test_aligned import save_aligned
from tests.train.test_quality import nli

RECIPES = [packaged(f"videoperceiver_{size}.yaml") for size in ("3b", "7b")]
SMALL = ["labelled.min_pixels=3136", "labelled.max_pixels=3136", "held_out=0"]
STEP = {
    "lora.rank": 4,
    "sft.steps": 2,
    "sft.warmup_steps": 0,
    "sft.batch_size": 4,
    "grpo.steps": 2,
    "grpo.prompts_per_step": 2,
    "grpo.group_size": 2,
    "grpo.micro_batch": "null",
    "grpo.max_completion_tokens": 4,
    "grpo.objective_options.retries": 1,
}


def run(*arguments: Any) -> None:
    ran = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert ran.exit_code == 0, ran.output


def clips(folder: Path) -> None:
    """Quiet clips of 8 s, each with a flash of one second, a caption and a closed question."""
    folder.mkdir()
    rows = []
    for i in range(4):
        frames = np.full((32, 64, 64, 3), 60 + 10 * i, np.uint8)
        frames[8 + 4 * i : 12 + 4 * i] = 240
        write_video(folder / f"{i}.mp4", frames, 4)
        told = {"video": f"{i}.mp4", "question": "What happens?", "answer": "The light flashes."}
        closed = {"question": "What flashes?", "answer": "light", "options": ["cup", "light"]}
        rows += [told, {**told, **closed}]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_the_commands_of_the_header_train_a_tiny_model(tmp_path: Path) -> None:
    logging.getLogger("transformers").setLevel(logging.ERROR)
    recipe = RECIPES[0]
    clips(tmp_path / "clips")
    path = f"labelled.path={tmp_path / 'clips' / 'rows.jsonl'}"
    sets = [part for text in (path, *SMALL) for part in ("--set", text)]
    made, perceiver = tmp_path / "made", tmp_path / "perceiver"
    run("make", tmp_path / "clips", "-o", made, "--config", recipe, "--workers", "0", *sets)
    samples = load_samples(made)
    assert len(samples) == 8 and {len(s.media[0].frames) for s in samples} == {8}  # 1 fps
    aligned = save_aligned("clip", tmp_path / "aligned")
    run("pairs", made, "--keys", "relevance", "--paper", "--model", aligned, "--into", perceiver)
    assert load_summary(perceiver)["key_frames"]["with"] > 0
    tiny.build(tmp_path / "tiny", [s.prompt for s in samples], "qwen2_5_vl")
    judge = f"grpo.objective_options.nli={nli(tmp_path / 'nli')}"
    steps = [f"{key}={value}" for key, value in STEP.items()]
    sets = [part for text in (judge, *steps) for part in ("--set", text)]
    given = "--model", tmp_path / "tiny", "-o", tmp_path / "run", "--config", recipe
    with pytest.warns(UserWarning, match=r"blocks \[16\] of a language model with 3"):
        run("train", perceiver, *given, *sets)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    metrics = [json.loads(line) for line in lines]
    assert [(m["phase"], m["step"]) for m in metrics] == [
        ("sft", 1),
        ("sft", 2),
        ("grpo", 1),
        ("grpo", 2),
    ]
    assert all(math.isfinite(m["loss"]) and math.isfinite(m["grad_norm"]) for m in metrics)
    assert all("contrastive/text_video" in m for m in metrics[:2])
    assert any("comparative/reward" in m for m in metrics[2:])
    assert (tmp_path / "run" / "model" / "README.md").is_file()


def test_both_sizes_have_the_same_settings() -> None:
    first, second = (yaml.safe_load(recipe.read_text()) for recipe in RECIPES)
    assert first == second


def test_what_the_paper_states_is_in_the_recipe() -> None:
    train = load(RECIPES[0], "train", TrainConfig, {})
    make = load(RECIPES[0], "make", MakeConfig, {})
    assert train.sft.batch_size == 16 and train.grpo.prompts_per_step == 8
    contrast = train.sft.contrast
    assert (contrast.weight, contrast.blocks, contrast.degraded) == (0.1, (16,), "key_frames")
    objective = train.grpo.built_objective()
    assert isinstance(objective, Comparative)
    assert (objective.degraded, objective.against, objective.base) == (
        "key_frames",
        "paired",
        "surface",
    )
    assert (objective.quality, objective.baseline, objective.gate) == ("entailment", "ema", True)
    assert objective.retries > 0
    assert make.labelled_task().fps == 1.0
