"""The `train` stage: an optional cold start, optional learning from pairs, then GRPO.

    RUN/
      config.yaml        as resolved
      environment.json   versions, the model, hash of the samples
      metrics.jsonl      one line for each logged step of each phase
      completions.jsonl  every rollout: step, sample, completion, reward (as the task gives it;
                         "twin": true where it is of a twin and was not trained on)
      sft/model/         the cold-started model, if there was a cold start
      dpo/model/         the model that learned from pairs, if there were any
      dpo/no_pair.json   ids of the samples that gave none
      model/             the trained model, by the last phase
      PHASE/adapter/     with train.lora the adapters of a phase, which its model holds merged

A phase whose model folder exists is done and is not run again; an interrupted one goes on from
its last checkpoint.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import is_peft_model
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    PrinterCallback,
    TrainerCallback,
)
from transformers.trainer_utils import get_last_checkpoint
from trl import DPOConfig, GRPOConfig, SFTConfig

from kuleshov.dataset import load_samples, videos_root
from kuleshov.errors import UsageError
from kuleshov.files import replace_text
from kuleshov.media import Renderer
from kuleshov.progress import Progress
from kuleshov.run import begin, samples_hash, weights_hash
from kuleshov.sample import Sample
from kuleshov.train.config import TrainConfig
from kuleshov.train.curriculum import order
from kuleshov.train.dpo import VideoDPOTrainer
from kuleshov.train.encode import Encoder, vision_tokens
from kuleshov.train.grpo import VideoGRPOTrainer, pretext_reward, row
from kuleshov.train.preference import pair
from kuleshov.train.sft import VideoSFTTrainer


def train(
    data: Path, model: str, run: Path, config: TrainConfig, progress: Progress = lambda *_: None
) -> Path:
    """Train a model on the train split of a sample set.

    Args:
        data: the folder that `kuleshov make` wrote.
        model: name or path for `from_pretrained`.
        run: the run folder; a finished or interrupted one is gone on with.
        config: the settings.
        progress: told of every step.

    Returns:
        The folder of the trained model.

    Raises:
        UsageError: no samples to train on, a model that cannot be loaded, or a run folder that
            holds a run with other settings, samples or weights.
        MissingVideoError: video tokens reached the model without their features.
    """
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
    trained = run / "model"
    phases = [name for name in _PHASES if getattr(config, name).steps]
    for name in phases:
        target = trained if name == phases[-1] else run / name / "model"
        if not target.exists():
            _PHASES[name](model, samples, renderer, run, target, config, progress)
        model = str(target)
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
    samples: Sequence[Sample],
    renderer: Renderer,
    run: Path,
    target: Path,
    config: TrainConfig,
    progress: Progress,
) -> None:
    loaded, processor = load_model(model)
    folder = run / "sft"
    settings = config.sft
    arguments = {
        **_shared(folder, config),
        "max_steps": settings.steps,
        "per_device_train_batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "warmup_steps": settings.warmup_steps,
        "train_sampling_strategy": "sequential",  # in the order of the curriculum
        "max_length": None,  # nothing is cut
        **settings.extra,
    }
    args = SFTConfig(**arguments)
    tasks = [sample.task for sample in samples]
    indices = order(tasks, settings.steps, _per_step(args), settings.curriculum, config.seed)
    trainer = VideoSFTTrainer(
        loaded,
        args=args,
        train_dataset=Dataset.from_list([row(sample) for sample in samples]).select(indices),
        processing_class=processor,
        encoder=Encoder(processor, renderer),
        peft_config=_lora(config),
        callbacks=[_Follow(run / "metrics.jsonl", "sft", "cold start", progress)],
    )
    _run(trainer, processor, folder, target)


def _dpo(
    model: str,
    samples: Sequence[Sample],
    renderer: Renderer,
    run: Path,
    target: Path,
    config: TrainConfig,
    progress: Progress,
) -> None:
    loaded, processor = load_model(model)
    folder = run / "dpo"
    settings = config.dpo
    arguments = {
        **_shared(folder, config),
        "max_steps": settings.steps,
        "per_device_train_batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "beta": settings.beta,
        "train_sampling_strategy": "sequential",
        "max_length": None,  # nothing is cut
        **settings.extra,
    }
    args = DPOConfig(**arguments)
    made = [pair(s, settings.rejected, settings.max_reward, config.seed) for s in samples]
    pairs = [row for row in made if row is not None]
    without = [s.id for s, row in zip(samples, made, strict=True) if row is None]
    folder.mkdir(exist_ok=True)
    replace_text(folder / "no_pair.json", json.dumps(without) + "\n")
    if not pairs:
        raise UsageError(
            f"none of {len(samples)} samples gives a pair with train.dpo.rejected: "
            f"{settings.rejected} and max_reward: {settings.max_reward}; raise max_reward or take "
            "another source"
        )
    indices = order([""] * len(pairs), settings.steps, _per_step(args), {}, config.seed)
    trainer = VideoDPOTrainer(
        loaded,
        args=args,
        train_dataset=Dataset.from_list(pairs).select(indices),
        processing_class=processor,
        encoder=Encoder(processor, renderer),
        share_prompts=settings.share_prompts,
        peft_config=_lora(config),
        callbacks=[_Follow(run / "metrics.jsonl", "dpo", "preferences", progress)],
    )
    _run(trainer, processor, folder, target)


def _grpo(
    model: str,
    samples: Sequence[Sample],
    renderer: Renderer,
    run: Path,
    target: Path,
    config: TrainConfig,
    progress: Progress,
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
    trainer = VideoGRPOTrainer(
        loaded,
        reward_funcs=[_recorded(run / "completions.jsonl")],
        args=GRPOConfig(**arguments),
        train_dataset=Dataset.from_list([row(sample) for sample in samples]),
        processing_class=processor,
        encoder=Encoder(processor, renderer),
        peft_config=_lora(config),
        objective=objective,
        share_prompts=settings.share_prompts,
        callbacks=[_Follow(run / "metrics.jsonl", "grpo", "GRPO", progress)],
    )
    _run(trainer, processor, folder, target)


_PHASES: dict[str, Callable[..., None]] = {"sft": _sft, "dpo": _dpo, "grpo": _grpo}


def _per_step(args: Any) -> int:
    """Rows for each optimizer step."""
    return int(args.train_batch_size * args.gradient_accumulation_steps * args.world_size)


def _lora(config: TrainConfig) -> LoraConfig | None:
    settings = config.lora
    if not settings.rank:
        return None
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.targets,
    )


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
        "report_to": ["tensorboard"],
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
    _save(trainer, folder, unfinished)
    processor.save_pretrained(str(unfinished))
    os.replace(unfinished, target)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _save(trainer: Any, folder: Path, target: Path) -> None:
    """Whole weights: adapters are put into the weights that they were trained on.

    These are loaded anew, as the trainer's own may be spread over processes.
    """
    if not is_peft_model(trainer.model):
        trainer.save_model(str(target))
        return
    adapter = str(folder / "adapter")
    trainer.save_model(adapter)
    if trainer.is_world_process_zero():
        base, _ = load_model(trainer.model.get_base_model().config._name_or_path)
        PeftModel.from_pretrained(base, adapter).merge_and_unload().save_pretrained(str(target))
    trainer.accelerator.wait_for_everyone()


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

    def __init__(self, path: Path, phase: str, what: str, progress: Progress) -> None:
        self.path, self.phase, self.what, self.progress = path, phase, what, progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.progress(self.what, state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if logs and "train_runtime" not in logs:
            with self.path.open("a", encoding="utf-8") as file:
                line = {"phase": self.phase, "step": state.global_step, **logs}
                file.write(json.dumps(line) + "\n")
