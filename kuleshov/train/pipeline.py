"""The `train` stage: an optional cold start, then GRPO.

    RUN/
      config.yaml        as resolved
      environment.json   versions, the model, hash of the samples
      metrics.jsonl      one line for each logged step of each phase
      completions.jsonl  every rollout: step, sample, completion, reward (as the task gives it;
                         "twin": true where it is of a twin and was not trained on)
      sft/model/         the cold-started model, if there was a cold start
      model/             the trained model, with its card

A phase whose model folder exists is done and is not run again; an interrupted one goes on from
its last checkpoint.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    PrinterCallback,
    TrainerCallback,
)
from transformers.trainer_utils import get_last_checkpoint
from trl import GRPOConfig, SFTConfig, SFTTrainer

from kuleshov.dataset import load_samples, videos_root
from kuleshov.errors import UsageError
from kuleshov.media import Renderer
from kuleshov.progress import Figures, Progress
from kuleshov.run import begin, samples_hash, weights_hash
from kuleshov.train.card import write_card
from kuleshov.train.config import TrainConfig
from kuleshov.train.curriculum import order
from kuleshov.train.encode import Encoder, vision_tokens
from kuleshov.train.grpo import VideoGRPOTrainer, pretext_reward, row
from kuleshov.train.guard import guard
from kuleshov.train.pace import Pace
from kuleshov.train.reporters import check_installed
from kuleshov.train.sft import VideoCollator


def train(
    data: Path,
    model: str,
    run: Path,
    config: TrainConfig,
    progress: Progress = lambda *_: None,
    figures: Figures = lambda *_: None,
) -> Path:
    """Train a model on the train split of a sample set.

    Args:
        data: the folder that `kuleshov make` wrote.
        model: name or path for `from_pretrained`.
        run: the run folder; a finished or interrupted one is gone on with.
        config: the settings.
        progress: told of every step.
        figures: told of what is logged.

    Returns:
        The folder of the trained model.

    Raises:
        UsageError: no samples to train on, a model that cannot be loaded, or a run folder that
            holds a run with other settings, samples or weights.
        MissingVideoError: video tokens reached the model without their features.
    """
    check_installed(config.report_to)
    samples = load_samples(data, "train")
    if not samples:
        raise UsageError(f"{data} has no samples in its train split; lower make's held_out")
    record = {
        "model": model,
        "weights": weights_hash(model),
        "samples": samples_hash(samples),
        "settings": asdict(config),
    }
    begin(run, record, config, started=(run / "metrics.jsonl").is_file())
    renderer = Renderer(videos_root(data), config.cache_megabytes << 20)
    rows = Dataset.from_list([row(sample) for sample in samples])
    if config.sft.steps:
        cold = run / "sft" / "model"
        if not cold.exists():
            tasks = [sample.task for sample in samples]
            _sft(model, rows, tasks, renderer, run, config, progress, figures)
        model = str(cold)
    trained = run / "model"
    if not trained.exists():
        _grpo(model, rows, renderer, run, config, progress, figures)
    if PartialState().is_main_process:
        if config.sft.steps:
            write_card(run, run / "sft" / "model", ["sft"])
        write_card(run, trained)
    return trained


def load_model(model: str, dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    """(model, processor) by name or path.

    Args:
        model: name or path for `from_pretrained`.
        dtype: of the weights. Training keeps them in float32 and computes in bfloat16 on a GPU:
            the updates of reinforcement learning are too small for bfloat16 weights.

    Raises:
        UsageError: it cannot be loaded, or takes no video.
    """
    try:
        loaded = AutoModelForImageTextToText.from_pretrained(model, dtype=dtype)
        processor = AutoProcessor.from_pretrained(model)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(
            f"model {model!r} cannot be loaded: {reason}. Give a Hugging Face name of a Video LLM, "
            "or the folder of one"
        ) from error
    if getattr(processor, "video_processor", None) is None:
        raise UsageError(f"model {model!r} takes no video; give a Video LLM such as Qwen3-VL")
    return loaded, processor


def _sft(
    model: str,
    rows: Dataset,
    tasks: list[str],
    renderer: Renderer,
    run: Path,
    config: TrainConfig,
    progress: Progress,
    figures: Figures,
) -> None:
    loaded, processor = load_model(model)
    guard(loaded)
    folder = run / "sft"
    settings = config.sft
    arguments = {
        **_shared(folder, config),
        "max_steps": settings.steps,
        "per_device_train_batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "warmup_steps": settings.warmup_steps,
        "train_sampling_strategy": "sequential",  # in the order of the curriculum
        "max_length": None,  # cutting a prompt would cut video tokens
        "dataset_kwargs": {"skip_prepare_dataset": True},
        **settings.extra,
    }
    args = SFTConfig(**arguments)
    per_step = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    encoder = Encoder(processor, renderer)
    trainer = SFTTrainer(
        loaded,
        args=args,
        train_dataset=rows.select(
            order(tasks, settings.steps, per_step, settings.curriculum, config.seed)
        ),
        data_collator=VideoCollator(encoder),
        processing_class=processor,
        callbacks=[_Follow(run / "metrics.jsonl", "sft", "cold start", progress, figures)],
    )
    trainer.add_callback(Pace(trainer, encoder.waiting))
    _run(trainer, processor, folder, folder / "model")


def _grpo(
    model: str,
    rows: Dataset,
    renderer: Renderer,
    run: Path,
    config: TrainConfig,
    progress: Progress,
    figures: Figures,
) -> None:
    loaded, processor = load_model(model)
    folder = run / "grpo"
    settings = config.grpo
    completions = settings.prompts_per_step * settings.group_size
    micro_batch = settings.micro_batch or completions
    objective = settings.built_objective()
    arguments = {
        **_shared(folder, config),
        "max_steps": settings.steps,
        "per_device_train_batch_size": micro_batch,
        "gradient_accumulation_steps": completions // micro_batch,
        "num_generations": settings.group_size,
        "learning_rate": settings.learning_rate,
        "beta": settings.beta,
        "temperature": settings.temperature,
        "max_completion_length": settings.max_completion_tokens,
        "generation_kwargs": {"suppress_tokens": vision_tokens(loaded.config)},
        **objective.arguments(),
        **settings.extra,
    }
    encoder = Encoder(processor, renderer)
    trainer = VideoGRPOTrainer(
        loaded,
        reward_funcs=[_recorded(run / "completions.jsonl")],
        args=GRPOConfig(**arguments),
        train_dataset=rows,
        processing_class=processor,
        encoder=encoder,
        objective=objective,
        share_prompts=settings.share_prompts,
        callbacks=[_Follow(run / "metrics.jsonl", "grpo", "GRPO", progress, figures)],
    )
    trainer.add_callback(Pace(trainer, encoder.waiting))
    _run(trainer, processor, folder, run / "model")


def _shared(folder: Path, config: TrainConfig) -> dict[str, Any]:
    return {
        "output_dir": str(folder / "checkpoints"),
        "seed": config.seed,
        "save_steps": config.checkpoint_steps,
        "save_total_limit": 1,
        "logging_steps": 1,
        "bf16": torch.cuda.is_available(),
        "gradient_checkpointing": torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "remove_unused_columns": False,
        "report_to": list(config.report_to),
        "disable_tqdm": True,
    }


def _run(trainer: Any, processor: Any, folder: Path, target: Path) -> None:
    """Train, going on from a checkpoint if there is one, and put the model where it belongs."""
    trainer.remove_callback(PrinterCallback)  # _Follow tells, and keeps what it tells
    checkpoints = folder / "checkpoints"
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    unfinished = target.with_name(target.name + ".tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    trainer.save_model(str(unfinished))
    processor.save_pretrained(str(unfinished))
    os.replace(unfinished, target)
    for checkpoint in checkpoints.glob("checkpoint-*"):  # TensorBoard's files stay beside them
        shutil.rmtree(checkpoint, ignore_errors=True)


def _recorded(path: Path) -> Callable[..., list[float]]:
    """The pretext reward, which also writes down every rollout."""

    def reward(
        completions: Any,
        sample: list[str],
        trainer_state: Any,
        twin: list[bool] | None = None,
        **columns: Any,
    ) -> list[float]:
        totals = pretext_reward(completions, sample, twin=twin, **columns)
        with path.open("a", encoding="utf-8") as file:
            for text, completion, total in zip(sample, completions, totals, strict=True):
                line = {
                    "step": trainer_state.global_step,
                    "sample": json.loads(text)["id"],
                    "completion": completion[0]["content"],
                    "reward": total,
                    **({"twin": True} if twin else {}),
                }
                file.write(json.dumps(line) + "\n")
        return totals

    reward.__name__ = "pretext"
    return reward


class _Follow(TrainerCallback):  # type: ignore[misc]
    """Writes what the trainer logs as JSON lines, and reports progress."""

    def __init__(
        self, path: Path, phase: str, what: str, progress: Progress, figures: Figures
    ) -> None:
        self.path, self.phase, self.what = path, phase, what
        self.progress, self.figures = progress, figures

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self.progress(self.what, state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if logs and "train_runtime" not in logs and state.is_world_process_zero:
            self.figures(self.what, state.global_step, state.max_steps, logs)
            with self.path.open("a", encoding="utf-8") as file:
                line = {"phase": self.phase, "step": state.global_step, **logs}
                file.write(json.dumps(line) + "\n")
