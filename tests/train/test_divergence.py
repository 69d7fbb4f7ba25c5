from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from kuleshov.errors import DivergenceError, UsageError
from kuleshov.train import pipeline
from kuleshov.train.config import DivergenceSettings, GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.divergence import Divergence
from kuleshov.train.grpo import row
from kuleshov.train.sft import VideoCollator
from tests.train.conftest import Setup
from tests.train.test_grpo import trainer as grpo

pytestmark = pytest.mark.parametrize("setup", ["qwen2_5_vl"], indirect=True)


SHARED: dict[str, Any] = {
    "per_device_train_batch_size": 2,
    "max_steps": 4,
    "report_to": [],
    "bf16": False,
    "activation_checkpointing": False,
    "logging_steps": 1,
    "disable_tqdm": True,
    "save_strategy": "no",
    "remove_unused_columns": False,
}


def sft(setup: Setup, out: Path) -> Any:
    return SFTTrainer(
        str(setup.folder),
        args=SFTConfig(
            str(out), max_length=None, dataset_kwargs={"skip_prepare_dataset": True}, **SHARED
        ),
        train_dataset=Dataset.from_list([row(sample) for sample in setup.samples]),
        data_collator=VideoCollator(setup.encoder),
        processing_class=setup.encoder.processor,
    )


def dpo(setup: Setup, out: Path) -> Any:
    pairs = [{"prompt": "Which?", "chosen": " 1", "rejected": " 2"}] * 8
    return DPOTrainer(
        str(setup.folder),
        args=DPOConfig(str(out), **{**SHARED, "remove_unused_columns": True}),
        train_dataset=Dataset.from_list(pairs),
        processing_class=setup.encoder.processor.tokenizer,
    )


class Spoil(TrainerCallback):  # type: ignore[misc]
    """Multiplies a gradient of the second step, and keeps the weights as they were before it."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def on_step_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        if state.global_step == 1:
            self.before = [value.detach().clone() for value in model.parameters()]
            weight = model.model.language_model.norm.weight
            weight.register_hook(lambda gradient: gradient * self.factor)


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
@pytest.mark.parametrize("make", [sft, dpo, grpo], ids=["sft", "dpo", "grpo"])
def test_a_gradient_that_is_not_finite_stops_before_the_weights_change(
    setup: Setup, tmp_path: Path, make: Callable[[Setup, Path], Any], factor: float
) -> None:
    train = make(setup, tmp_path)
    spoil = Spoil(factor)
    for callback in (spoil, Divergence(DivergenceSettings())):
        train.add_callback(callback)
    with pytest.raises(DivergenceError, match=r"step 2: the gradient is not finite; the weights"):
        train.train()
    after = train.model.parameters()
    assert all(torch.equal(a, b) for a, b in zip(spoil.before, after, strict=True))


def told(losses: list[float], norms: list[float], **settings: float) -> None:
    """Log these to the callback."""
    watch = Divergence(DivergenceSettings(**settings))  # type: ignore[arg-type]
    args = SimpleNamespace(logging_nan_inf_filter=True)
    watch.on_train_begin(args, None, None)
    assert args.logging_nan_inf_filter is False
    for step, (loss, norm) in enumerate(zip(losses, norms, strict=True), 1):
        state = SimpleNamespace(global_step=step)
        watch.on_log(args, state, None, logs={"loss": loss, "grad_norm": norm})
        watch.on_log(args, state, None, logs={"train_runtime": 1.0})  # another kind of line


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_stops_at_once(setup: Setup, value: float) -> None:
    with pytest.raises(DivergenceError, match=rf"step 2: loss is {value}\. Lower the learning"):
        told([1.0, value], [1.0, 1.0])
    with pytest.raises(DivergenceError, match=rf"step 1: grad_norm is {value}\."):
        told([1.0], [value])


def test_large_steps_in_a_row_stop_and_single_ones_do_not(setup: Setup) -> None:
    small, large = [1.0] * 6, [1.0, 101.0, -102.0, 1.0, 103.0, 104.0]
    told(large, small, steps=3)
    message = r"step 3: training explodes: loss = -102, and too large for 2 logged steps in a row"
    with pytest.raises(DivergenceError, match=message):
        told(large, small, steps=2)
    # One may be too large and then the other.
    with pytest.raises(DivergenceError, match=r"step 2: training explodes: grad_norm = 1e\+04"):
        told([200.0, 1.0], [1.0, 1e4], steps=2)
    told([1e9] * 9, [1e9] * 9, loss=float("inf"), grad_norm=float("inf"))


def test_limits_that_make_no_sense_are_refused(setup: Setup) -> None:
    with pytest.raises(UsageError, match=r"train\.divergence: loss is 0; allowed: above 0"):
        DivergenceSettings(loss=0)
    with pytest.raises(UsageError, match=r"grad_norm is nan"):
        DivergenceSettings(grad_norm=float("nan"))
    with pytest.raises(UsageError, match=r"steps is 0; allowed: 1 or more"):
        DivergenceSettings(steps=0)


@pytest.mark.parametrize("phase", ["sft", "grpo"])
def test_the_pipeline_stops_an_explosion_and_keeps_the_checkpoint_before(
    setup: Setup, tmp_path: Path, phase: str
) -> None:
    config = TrainConfig(
        checkpoint_steps=1,
        sft=SFTSettings(steps=4, batch_size=2) if phase == "sft" else SFTSettings(),
        grpo=GRPOSettings(
            steps=4, prompts_per_step=2, group_size=2, max_completion_tokens=4, beta=0.1
        ),
        # Below what any step has, so that the second in a row is one too many.
        divergence=DivergenceSettings(loss=1e-12, grad_norm=1e-12, steps=2),
    )
    with pytest.raises(DivergenceError, match=r"step 2: training explodes"):
        pipeline.train(setup.data, str(setup.folder), tmp_path, config)
    checkpoints = list((tmp_path / phase / "checkpoints").glob("checkpoint-*"))
    assert [checkpoint.name for checkpoint in checkpoints] == ["checkpoint-1"]
