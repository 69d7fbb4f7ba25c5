from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from kuleshov.errors import UsageError
from kuleshov.train import phases
from kuleshov.train.config import DPOSettings, GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.contrast import Contrast
from kuleshov.train.grpo import VideoGRPOTrainer
from kuleshov.train.pipeline import train
from kuleshov.train.ready import _CHOICES, check_enough, trl_config
from tests.train.conftest import Setup

GRPO = GRPOSettings(steps=1, prompts_per_step=2, group_size=2, max_completion_tokens=4)
ARGUMENTS = {"output_dir": "nowhere", "bf16": False, "max_steps": 1}


@pytest.mark.parametrize("kind", [SFTConfig, DPOConfig, GRPOConfig])
@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"warmup_step": 3}, "unknown key in x.extra 'warmup_step'; did you mean 'warmup_steps'"),
        ({"learning_rate": "fast"}, r"x\.extra\.learning_rate is 'fast': .*valid number"),
        ({"seed": [1]}, r"x\.extra\.seed is \[1\]"),
        ({"optim": "adamy"}, r"x is refused by TRL: adamy is not a valid OptimizerNames"),
        ({"lr_scheduler_type": "sometimes"}, r"refused by TRL: sometimes is not a valid Sched"),
        (
            {"lr_scheduler_type": "cosine", "lr_scheduler_kwargs": {"num_cycle": 2}},
            r"x is refused by TRL: .*unexpected keyword argument 'num_cycle'",
        ),
        (
            {"accelerator_config": {"split_batch": True}},
            "unexpected keyword argument 'split_batch'",
        ),
        (
            {"gradient_checkpointing_kwargs": {"use_rentrant": False}},
            "key in x.extra.gradient_checkpointing_kwargs 'use_rentrant'; did you mean 'use_reent",
        ),
    ],
)
def test_what_is_passed_on_is_looked_at(kind: Any, extra: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        trl_config(kind, "x", ARGUMENTS, extra)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"num_generations": 3}, "must be divisible by num_generations"),
        ({"generation_kwargs": {"top_kk": 3}}, "extra.generation_kwargs 'top_kk'; did you mean"),
        ({"chat_template_kwargs": {"enable_thinking": False}}, "chat_template_kwargs does nothing"),
        ({"output_dir": "elsewhere"}, "output_dir does nothing here; all is written into the run"),
    ],
)
def test_what_grpo_is_told_is_looked_at(extra: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        trl_config(GRPOConfig, "train.grpo", ARGUMENTS, extra)


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        (SFTConfig, {"loss_type": "nnl"}),
        (DPOConfig, {"loss_type": ["sigmoid", "hing"]}),
        (DPOConfig, {"f_divergence_type": "reverse"}),
        (GRPOConfig, {"loss_type": "grop"}),
        (GRPOConfig, {"importance_sampling_level": "tokens"}),
        (GRPOConfig, {"scale_rewards": "groups"}),
        (GRPOConfig, {"multi_objective_aggregation": "sum"}),
    ],
)
def test_a_word_that_trl_would_refuse_at_the_first_step_is_refused(
    kind: Any, extra: dict[str, Any]
) -> None:
    (key,) = extra
    with pytest.raises(UsageError, match=rf"value of x\.extra\.{key} '"):
        trl_config(kind, "x", ARGUMENTS, extra)


@pytest.mark.parametrize("trainer", [SFTTrainer, DPOTrainer, GRPOTrainer])
def test_the_words_are_those_of_the_trainers(trainer: Any) -> None:
    """And the default is one of them."""
    kind = {SFTTrainer: SFTConfig, DPOTrainer: DPOConfig, GRPOTrainer: GRPOConfig}[trainer]
    source = inspect.getsource(trainer)
    default = kind(**ARGUMENTS)
    for key, names in _CHOICES[kind.__name__].items():
        assert not [one for one in names if one not in source], key
        value = getattr(default, key)
        assert {*(value if isinstance(value, list) else [value])} <= {*names}, key


def test_what_is_right_is_passed_on() -> None:
    extra = {
        "adam_beta2": 0.95,
        "warmup_steps": 3,
        "lr_scheduler_type": "cosine_with_restarts",
        "lr_scheduler_kwargs": {"num_cycles": 2},
        "generation_kwargs": {"no_repeat_ngram_size": 3},
        "loss_type": "dapo",
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
    }
    args = trl_config(GRPOConfig, "train.grpo", ARGUMENTS, extra)
    assert (args.adam_beta2, args.warmup_steps, args.loss_type) == (0.95, 3, "dapo")
    assert args.generation_kwargs == {"no_repeat_ngram_size": 3}


@pytest.mark.parametrize("phase", ["sft", "dpo", "grpo"])
def test_a_misspelt_key_of_any_phase_stops_before_the_first(
    setup: Setup, tmp_path: Path, phase: str
) -> None:
    settings = {
        "sft": SFTSettings(steps=1, batch_size=2),
        "dpo": DPOSettings(steps=1, batch_size=2),
        "grpo": GRPO,
    }
    settings[phase] = replace(settings[phase], extra={"warmup_step": 1})  # type: ignore[type-var]
    config = TrainConfig(**settings)  # type: ignore[arg-type]
    message = f"unknown key in train.{phase}.extra 'warmup_step'; did you mean 'warmup_steps'"
    with pytest.raises(UsageError, match=message):
        train(setup.data, str(setup.folder), tmp_path, config)
    assert not (tmp_path / "metrics.jsonl").exists() and not (tmp_path / "sft" / "model").exists()


def test_keys_of_generation_stand_beside_what_must_not_be_written(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    kind = VideoGRPOTrainer

    class Keeping(kind):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            seen.append(kwargs["args"].generation_kwargs)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(phases, "VideoGRPOTrainer", Keeping)
    extra = {"generation_kwargs": {"no_repeat_ngram_size": 3}}
    config = TrainConfig(grpo=replace(GRPO, extra=extra))
    train(setup.data, str(setup.folder), tmp_path, config)
    assert seen[0]["no_repeat_ngram_size"] == 3 and len(seen[0]["suppress_tokens"]) >= 1


def test_fewer_samples_than_a_step_draws_are_refused(setup: Setup, tmp_path: Path) -> None:
    many = len(setup.samples) + 1
    config = TrainConfig(
        sft=SFTSettings(steps=1, batch_size=2),
        grpo=replace(GRPO, prompts_per_step=many, max_completion_tokens=2),
    )
    message = f"has {many - 1} samples, and GRPO draws {many} different ones at a time"
    with pytest.raises(UsageError, match=message):
        train(setup.data, str(setup.folder), tmp_path, config)
    assert not (tmp_path / "metrics.jsonl").exists() and not (tmp_path / "model").exists()


def test_rollouts_that_several_steps_share_are_drawn_at_once(setup: Setup) -> None:
    # Four micro-batches of four completions share rollouts, of eight prompts with two each.
    extra = {"steps_per_generation": 4, "per_device_train_batch_size": 4, "num_generations": 2}
    args = trl_config(GRPOConfig, "train.grpo", ARGUMENTS, extra)
    check_enough(setup.samples[:8] * 2, args)
    with pytest.raises(UsageError, match="has 7 samples, and GRPO draws 8"):
        check_enough((setup.samples * 2)[:7], args)


def test_as_many_samples_as_a_step_draws_are_enough(setup: Setup, tmp_path: Path) -> None:
    settings = replace(GRPO, prompts_per_step=len(setup.samples), max_completion_tokens=2)
    train(setup.data, str(setup.folder), tmp_path, TrainConfig(grpo=settings))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def test_samples_without_pairs_or_degraded_videos_stop_before_the_first_phase(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phases, "pair", lambda *args: None)
    config = TrainConfig(
        sft=SFTSettings(steps=1, batch_size=2), dpo=DPOSettings(steps=1, batch_size=2), grpo=GRPO
    )
    with pytest.raises(UsageError, match=r"none of \d+ samples gives a pair"):
        train(setup.data, str(setup.folder), tmp_path / "a", config)
    contrast = Contrast(weight=0.1, degraded="key_frames")
    monkeypatch.setattr(phases, "degraded", lambda *args: None)
    config = replace(config, sft=SFTSettings(steps=1, batch_size=2, contrast=contrast))
    with pytest.raises(UsageError, match=r"none of \d+ samples has a degraded video"):
        train(setup.data, str(setup.folder), tmp_path / "b", config)
    assert not list(tmp_path.rglob("metrics.jsonl"))


def test_a_phase_that_ends_early_gives_no_model(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phases, "check_enough", lambda *args: None)
    settings = replace(GRPO, prompts_per_step=len(setup.samples) + 1, max_completion_tokens=2)
    with pytest.raises(UsageError, match="GRPO ended after 0 of 1 steps"):
        train(setup.data, str(setup.folder), tmp_path, TrainConfig(grpo=settings))
    assert not (tmp_path / "model").exists()


def test_what_is_checked_is_checked_of_the_model_that_goes_on(setup: Setup, tmp_path: Path) -> None:
    # The base may be gone when a run whose cold start is done goes on.
    config = TrainConfig(sft=SFTSettings(steps=1, batch_size=2), grpo=GRPO)
    train(setup.data, str(setup.folder), tmp_path, config)
    record = json.loads((tmp_path / "environment.json").read_text())
    record |= {"model": "gone", "weights": ""}
    (tmp_path / "environment.json").write_text(json.dumps(record))
    for file in sorted((tmp_path / "model").rglob("*"), reverse=True):
        file.unlink()
    (tmp_path / "model").rmdir()
    train(setup.data, "gone", tmp_path, config)
    assert (tmp_path / "model" / "config.json").exists()
