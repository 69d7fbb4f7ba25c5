"""A run that is killed and goes on ends with the same files as one that is not."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path
from random import Random
from threading import Timer
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import Trainer

from kuleshov.notice import Notice, heeded
from kuleshov.train import follow as logs
from kuleshov.train import pipeline
from kuleshov.train.config import GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.resume import last_whole, rewind
from tests.train.conftest import Setup
from tests.train.test_objectives_train import by_content

# A window of 2 * 2 steps and 6 samples of 9, so that each window is an epoch.
CONFIG = TrainConfig(
    checkpoint_steps=3,
    sft=SFTSettings(steps=5, batch_size=2, learning_rate=1e-3),
    grpo=GRPOSettings(
        steps=9,
        prompts_per_step=3,
        group_size=2,
        learning_rate=1e-3,
        beta=0.1,
        max_completion_tokens=6,
        objective="ema_grpo",
        extra={"num_iterations": 2, "steps_per_generation": 2},
    ),
)
KILLS = (
    "at step 5 of the cold start",
    "at step 6 of GRPO",  # the window that began after step 4 is lost with its completions
    "writing checkpoint 6 of grpo",
    "at step 8 of GRPO",  # goes on from step 6, in the middle of the second window and epoch
    "writing the model of grpo",  # no step after the last one
)


def die(*args: Any, **kwargs: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def work(data: Path, model: Path, run: Path, kill: str) -> None:
    """Train, and die where it is said."""
    torch.set_num_threads(1)
    vars(logs)["pretext_reward"] = by_content
    optimizer, saved = Trainer._save_optimizer_and_scheduler, Trainer.save_model

    def save(trainer: Any, folder: str) -> None:
        if kill == "writing checkpoint 6 of grpo" and folder.endswith(
            "grpo/checkpoints/checkpoint-6"
        ):
            die()
        optimizer(trainer, folder)

    def save_model(trainer: Any, folder: str | None = None, **kwargs: Any) -> None:
        if kill == "writing the model of grpo" and str(folder).endswith("killed/model.tmp"):
            Path(str(folder)).mkdir()
            die()
        saved(trainer, folder, **kwargs)

    def follow(what: str, done: int, total: int) -> None:
        if kill == f"at step {done} of {'the cold start' if what == 'cold start' else what}":
            die()

    Trainer._save_optimizer_and_scheduler, Trainer.save_model = save, save_model
    pipeline.train(data, str(model), run, CONFIG, follow)


NOTICES = 20
"""How often a training is told to end."""
TIMED = ("step_time", "waiting", "tokens_per_second")
"""What no two runs have in common."""


def exit_code(*args: Any) -> int | None:
    """Of `work` in a process of its own, forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=work, args=args)
    process.start()
    process.join(300)
    return process.exitcode


def lines(path: Path, *without: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in without} for line in told]


@pytest.mark.parametrize("varied", ["qwen2_5_vl"], indirect=True)
def test_a_run_killed_again_and_again_ends_as_one_that_is_not(
    varied: Setup, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for kill in KILLS:
        assert exit_code(varied.data, varied.folder, killed, kill) == -signal.SIGKILL, kill
    for run in (whole, killed):
        assert exit_code(varied.data, varied.folder, run, "never") == 0
    wanted = lines(whole / "metrics.jsonl", *TIMED)
    assert [(m["phase"], m["step"]) for m in wanted] == [
        *(("sft", step + 1) for step in range(5)),
        *(("grpo", step + 1) for step in range(9)),
    ]
    assert any(metric["grad_norm"] > 0 for metric in wanted if metric["phase"] == "grpo")
    assert lines(killed / "metrics.jsonl", *TIMED) == wanted
    rollouts = lines(whole / "completions.jsonl")
    assert [rollout["step"] for rollout in rollouts] == [0] * 12 + [4] * 12 + [8] * 12
    assert lines(killed / "completions.jsonl") == rollouts
    # The second epoch has another order than the first.
    assert [r["sample"] for r in rollouts[:12]] != [r["sample"] for r in rollouts[12:]]
    for model in ("sft/model", "model"):
        weights = load_file(whole / model / "model.safetensors")
        found = load_file(killed / model / "model.safetensors")
        assert weights.keys() == found.keys()
        assert all(torch.equal(found[name], weights[name]) for name in weights)
    start = load_file(varied.folder / "model.safetensors")
    assert any(not torch.equal(weights[name], start[name]) for name in start)


def work_with_notices(data: Path, model: Path, run: Path, most: int, seed: int) -> None:
    """Train, told to end at random moments; write down how often that was."""
    torch.set_num_threads(1)
    vars(logs)["pretext_reward"] = by_content
    random = Random(seed)
    for number in range(most):
        timer = Timer(random.uniform(0.0, 0.6), os.kill, [os.getpid(), signal.SIGTERM])
        try:
            with heeded(seconds=1000):
                timer.start()
                pipeline.train(data, str(model), run, CONFIG)
        except Notice:
            (run / "notices").write_text(str(number + 1))
        else:
            return
        finally:
            timer.cancel()
            timer.join()
    pipeline.train(data, str(model), run, CONFIG)


@pytest.mark.parametrize("varied", ["qwen3_vl"], indirect=True)
def test_a_run_that_is_told_to_end_goes_on_bit_by_bit(varied: Setup, tmp_path: Path) -> None:
    whole, told = tmp_path / "whole", tmp_path / "told"
    told.mkdir()
    context = multiprocessing.get_context("forkserver")
    arguments = {whole: (0, 0), told: (NOTICES, 7)}
    for run, asked in arguments.items():
        given = (varied.data, varied.folder, run, *asked)
        process = context.Process(target=work_with_notices, args=given)
        process.start()
        process.join(560)
        assert process.exitcode == 0
    assert int((told / "notices").read_text()) == NOTICES
    assert lines(told / "metrics.jsonl", *TIMED) == lines(whole / "metrics.jsonl", *TIMED)
    assert lines(told / "completions.jsonl") == lines(whole / "completions.jsonl")
    for model in ("sft/model", "model"):
        weights = load_file(whole / model / "model.safetensors")
        found = load_file(told / model / "model.safetensors")
        assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_only_whole_checkpoints_are_gone_on_from(tmp_path: Path) -> None:
    assert last_whole(tmp_path / "nothing") is None
    for step in (9, 10, 20):
        (tmp_path / f"checkpoint-{step}").mkdir()
    assert last_whole(tmp_path) is None and not list(tmp_path.iterdir())
    for step in (9, 10, 20):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-9" / "whole").touch()
    (tmp_path / "checkpoint-10" / "whole").touch()
    assert last_whole(tmp_path) == tmp_path / "checkpoint-10"
    assert not (tmp_path / "checkpoint-20").exists()


def test_lost_steps_are_taken_from_the_logs(tmp_path: Path) -> None:
    def write(name: str, told: list[dict[str, Any]], cut: str = "") -> None:
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in told) + cut)

    metrics = [{"phase": p, "step": s} for p in ("sft", "grpo") for s in (1, 2, 3)]
    write("metrics.jsonl", metrics, '{"phase": "gr')
    # A checkpoint after step 2: rollouts that begin step 3 carry the number 2.
    write("completions.jsonl", [{"step": step} for step in (0, 1, 2)])
    rewind(tmp_path, "grpo", 2)
    assert lines(tmp_path / "metrics.jsonl") == metrics[:-1]
    assert lines(tmp_path / "completions.jsonl") == [{"step": 0}, {"step": 1}]
    rewind(tmp_path, "sft", 0)
    assert lines(tmp_path / "metrics.jsonl") == metrics[3:-1]
