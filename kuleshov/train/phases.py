"""The phases of training: settings of the recipe become those of a trainer, and it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig
from trl import DPOConfig, GRPOConfig, SFTConfig

from kuleshov.errors import UsageError
from kuleshov.files import replace_text
from kuleshov.sample import Sample
from kuleshov.train.config import LoRASettings
from kuleshov.train.contrastive_sft import ContrastiveSFTTrainer
from kuleshov.train.curriculum import order
from kuleshov.train.dpo import VideoDPOTrainer
from kuleshov.train.encode import Encoder, vision_tokens
from kuleshov.train.follow import recorded
from kuleshov.train.grpo import VideoGRPOTrainer, row
from kuleshov.train.job import Job, share
from kuleshov.train.pace import Pace
from kuleshov.train.preference import degraded, pair
from kuleshov.train.sft import VideoSFTTrainer
from kuleshov.train.vllm_rollout import unsampled


def sft(job: Job) -> None:
    """The cold start: supervised steps on true answers, with contrastive losses if wanted."""
    loaded, processor = job.load()
    settings = job.config.sft
    arguments = {
        **job.arguments(),
        "max_steps": settings.steps,
        "per_device_train_batch_size": share(settings.batch_size, "train.sft.batch_size"),
        "learning_rate": settings.learning_rate,
        "warmup_steps": settings.warmup_steps,
        "train_sampling_strategy": "sequential",  # in the order of the curriculum
        "max_length": None,  # nothing is cut
        **settings.extra,
    }
    args = SFTConfig(**arguments)
    tasks = [sample.task for sample in job.samples]
    indices = order(tasks, settings.steps, _per_step(args), settings.curriculum, job.config.seed)
    kind: type[VideoSFTTrainer] = VideoSFTTrainer
    contrastive: dict[str, Any] = {}
    if settings.contrast.weight:
        kind = ContrastiveSFTTrainer
        contrastive = {"degraded": _degraded(job), "contrast": settings.contrast}
    trainer = kind(
        loaded,
        args=args,
        train_dataset=Dataset.from_list([row(sample) for sample in job.samples]).select(indices),
        processing_class=processor,
        encoder=Encoder(processor, job.renderer),
        peft_config=_lora(job.config.lora),
        callbacks=[job.follow("cold start")],
        **contrastive,
    )
    trainer.add_callback(Pace(trainer, trainer.data_collator.encoder.waiting))
    job.carry_out(trainer, processor)


def dpo(job: Job) -> None:
    """Direct preference optimization on pairs made of the samples."""
    loaded, processor = job.load()
    settings = job.config.dpo
    arguments = {
        **job.arguments(),
        "max_steps": settings.steps,
        "per_device_train_batch_size": share(settings.batch_size, "train.dpo.batch_size"),
        "learning_rate": settings.learning_rate,
        "beta": settings.beta,
        "train_sampling_strategy": "sequential",
        "max_length": None,  # nothing is cut
        **settings.extra,
    }
    args = DPOConfig(**arguments)
    made = [pair(s, settings.rejected, settings.max_reward, job.config.seed) for s in job.samples]
    pairs = [row for row in made if row is not None]
    _left_out(job, [s for s, row in zip(job.samples, made, strict=True) if row is None])
    if not pairs:
        raise UsageError(
            f"none of {len(job.samples)} samples gives a pair with train.dpo.rejected: "
            f"{settings.rejected} and max_reward: {settings.max_reward}; raise max_reward or take "
            "another source"
        )
    indices = order([""] * len(pairs), settings.steps, _per_step(args), {}, job.config.seed)
    trainer = VideoDPOTrainer(
        loaded,
        args=args,
        train_dataset=Dataset.from_list(pairs).select(indices),
        processing_class=processor,
        encoder=Encoder(processor, job.renderer),
        share_prompts=settings.share_prompts,
        peft_config=_lora(job.config.lora),
        callbacks=[job.follow("preferences")],
    )
    trainer.add_callback(Pace(trainer, trainer.data_collator.encoder.waiting))
    job.carry_out(trainer, processor)


def grpo(job: Job) -> None:
    """Group relative policy optimization with the pretext rewards."""
    loaded, processor = job.load()
    settings = job.config.grpo
    completions = share(
        settings.prompts_per_step * settings.group_size, "prompts_per_step * group_size"
    )
    micro_batch = settings.micro_batch or completions
    if completions % micro_batch:
        raise UsageError(
            f"train.grpo: micro_batch is {micro_batch}; it must divide the {completions} "
            "completions of each process"
        )
    objective = settings.built_objective()
    arguments = {
        **job.arguments(),
        "max_steps": settings.steps,
        "per_device_train_batch_size": micro_batch,
        "gradient_accumulation_steps": completions // micro_batch,
        "num_generations": settings.group_size,
        "learning_rate": settings.learning_rate,
        "beta": settings.beta,
        "temperature": settings.temperature,
        **settings.sampling.trl(),
        "max_completion_length": settings.max_completion_tokens,
        "generation_kwargs": unsampled(vision_tokens(loaded.config), settings.extra),
        **objective.arguments(),
        **settings.extra,
    }
    trainer = VideoGRPOTrainer(
        loaded,
        reward_funcs=[recorded(job.run / "completions.jsonl")],
        args=GRPOConfig(**arguments),
        train_dataset=Dataset.from_list([row(sample) for sample in job.samples]),
        processing_class=processor,
        encoder=Encoder(processor, job.renderer),
        peft_config=_lora(job.config.lora),
        objective=objective,
        share_prompts=settings.share_prompts,
        cache_bytes=job.config.cache_embeddings_megabytes << 20,
        callbacks=[job.follow("GRPO")],
    )
    trainer.add_callback(Pace(trainer, trainer.encoder.waiting))
    job.carry_out(trainer, processor)


PHASES: dict[str, Callable[[Job], None]] = {"sft": sft, "dpo": dpo, "grpo": grpo}
"""By the name of their section in the recipe, in the order in which they run."""


def _degraded(job: Job) -> Callable[[Sample], Sample | None]:
    """A sample to the same on its degraded video, for the contrastive losses.

    Raises:
        UsageError: no sample has one.
    """
    source = job.config.sft.contrast.degraded
    without = [sample for sample in job.samples if degraded(sample, source) is None]
    _left_out(job, without)
    if len(without) == len(job.samples):
        raise UsageError(
            f"none of {len(without)} samples has a degraded video with train.sft.contrast.degraded"
            f": {source}; find key frames with `kuleshov pairs --into`, or take another source"
        )
    return partial(degraded, source=source)


def _left_out(job: Job, samples: Sequence[Sample]) -> None:
    """Write down the ids of the samples that give no pair."""
    if PartialState().is_main_process:
        job.folder.mkdir(exist_ok=True)
        replace_text(job.folder / "no_pair.json", json.dumps([s.id for s in samples]) + "\n")


def _per_step(args: Any) -> int:
    """Rows for each optimizer step."""
    return int(args.train_batch_size * args.gradient_accumulation_steps * args.world_size)


def _lora(settings: LoRASettings) -> LoraConfig | None:
    if not settings.rank:
        return None
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.targets,
    )
