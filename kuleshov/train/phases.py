"""The phases of training: settings of the recipe become those of a trainer, and it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from accelerate import PartialState
from datasets import Dataset
from trl import DPOConfig, GRPOConfig, SFTConfig

from kuleshov.errors import UsageError
from kuleshov.files import make_folder, replace_text
from kuleshov.sample import Sample
from kuleshov.train.adapters import lora
from kuleshov.train.contrastive_sft import ContrastiveSFTTrainer
from kuleshov.train.curriculum import order
from kuleshov.train.dpo import VideoDPOTrainer
from kuleshov.train.encode import Encoder, vision_tokens
from kuleshov.train.follow import recorded
from kuleshov.train.grpo import VideoGRPOTrainer, row
from kuleshov.train.job import Job, share
from kuleshov.train.model import attentions
from kuleshov.train.pace import Pace
from kuleshov.train.preference import degraded, pair
from kuleshov.train.ready import check_enough, trl_config
from kuleshov.train.sft import VideoSFTTrainer
from kuleshov.train.vllm_rollout import unsampled


def sft(job: Job) -> None:
    """The cold start: supervised steps on true answers, with contrastive losses if wanted."""
    settings = job.config.sft
    args = _sft_config(job)
    contrast: dict[str, Any] = {}
    if settings.contrast.weight:
        contrast = {"degraded": _degraded(job), "contrast": settings.contrast}
    loaded, processor = job.load()
    tasks = [sample.task for sample in job.samples]
    indices = order(tasks, settings.steps, _per_step(args), settings.curriculum, job.config.seed)
    kind = ContrastiveSFTTrainer if contrast else VideoSFTTrainer
    rows = Dataset.from_list([row(sample) for sample in job.samples]).select(indices)
    trainer = kind(
        loaded,
        args=args,
        train_dataset=rows,
        processing_class=processor,
        encoder=Encoder(processor, job.renderer),
        peft_config=lora(job.config.lora),
        callbacks=[job.follow()],
        **contrast,
    )
    trainer.add_callback(Pace(trainer, trainer.data_collator.encoder.waiting))
    _with_stand_ins(trainer, job, rows)
    job.carry_out(trainer, processor)


def _with_stand_ins(trainer: Any, job: Job, rows: Dataset) -> None:
    """Let a trainer collate others in the place of rows that cannot be shown."""
    trainer.data_collator = partial(job.stand_ins(rows), trainer.data_collator)


def dpo(job: Job) -> None:
    """Direct preference optimization on pairs made of the samples."""
    settings = job.config.dpo
    args, pairs = _dpo_config(job), _pairs(job)
    loaded, processor = job.load()
    _attend_alike(args, loaded)
    indices = order([""] * len(pairs), settings.steps, _per_step(args), {}, job.config.seed)
    rows = Dataset.from_list(pairs).select(indices)
    trainer = VideoDPOTrainer(
        loaded,
        args=args,
        train_dataset=rows,
        processing_class=processor,
        encoder=Encoder(processor, job.renderer),
        share_prompts=settings.share_prompts,
        peft_config=lora(job.config.lora),
        callbacks=[job.follow()],
    )
    trainer.add_callback(Pace(trainer, trainer.data_collator.encoder.waiting))
    _with_stand_ins(trainer, job, rows)
    job.carry_out(trainer, processor)


def grpo(job: Job) -> None:
    """Group relative policy optimization with the pretext rewards."""
    loaded, processor = job.load()
    job.carry_out(grpo_trainer(job, loaded, processor), processor)


def grpo_trainer(job: Job, loaded: Any, processor: Any) -> VideoGRPOTrainer:
    """The trainer of GRPO.

    Args:
        job: the phase.
        loaded: the model that it starts from.
        processor: of its family.

    Raises:
        UsageError: there are fewer samples than prompts in a step.
    """
    settings = job.config.grpo
    args = _grpo_config(job, vision_tokens(loaded.config))
    check_enough(job.samples, args)
    if settings.beta:
        _attend_alike(args, loaded)
    rows = Dataset.from_list([row(sample) for sample in job.samples])
    trainer = VideoGRPOTrainer(
        loaded,
        reward_funcs=[recorded(job.run / "completions.jsonl")],
        args=args,
        train_dataset=rows,
        processing_class=processor,
        encoder=Encoder(processor, job.renderer),
        peft_config=lora(job.config.lora),
        objective=settings.built_objective(),
        share_prompts=settings.share_prompts,
        cache_bytes=job.config.cache_embeddings_megabytes << 20,
        stand_ins=job.stand_ins(rows),
        callbacks=[job.follow()],
    )
    trainer.add_callback(Pace(trainer, trainer.encoder.waiting))
    return trainer


PHASES: dict[str, Callable[[Job], None]] = {"sft": sft, "dpo": dpo, "grpo": grpo}
"""By the name of their section in the recipe, in the order in which they run."""


def check(job: Job) -> None:
    """Find what would stop a phase, before any work is done.

    Raises:
        UsageError: what it starts from but the model is not as it has to be.
    """
    CHECKS[job.name](job)


def _check_sft(job: Job) -> None:
    _sft_config(job)
    if job.config.sft.contrast.weight:
        _degraded(job)


def _check_dpo(job: Job) -> None:
    _dpo_config(job)
    _pairs(job)


def _check_grpo(job: Job) -> None:
    check_enough(job.samples, _grpo_config(job))


CHECKS: dict[str, Callable[[Job], None]] = {
    "sft": _check_sft,
    "dpo": _check_dpo,
    "grpo": _check_grpo,
}
"""What is to be in order before a phase, and needs no model; by the names of `PHASES`."""


def _sft_config(job: Job) -> SFTConfig:
    settings = job.config.sft
    arguments = {
        **job.arguments(),
        "max_steps": settings.steps,
        "per_device_train_batch_size": share(settings.batch_size, "train.sft.batch_size"),
        "learning_rate": settings.learning_rate,
        "warmup_steps": settings.warmup_steps,
        "train_sampling_strategy": "sequential",  # in the order of the curriculum
        "max_length": None,  # nothing is cut
    }
    return trl_config(SFTConfig, "train.sft", arguments, settings.extra)


def _dpo_config(job: Job) -> DPOConfig:
    settings = job.config.dpo
    arguments = {
        **job.arguments(),
        "max_steps": settings.steps,
        "per_device_train_batch_size": share(settings.batch_size, "train.dpo.batch_size"),
        "learning_rate": settings.learning_rate,
        "beta": settings.beta,
        "train_sampling_strategy": "sequential",
        "max_length": None,  # nothing is cut
    }
    return trl_config(DPOConfig, "train.dpo", arguments, settings.extra)


def _grpo_config(job: Job, unsaid: Sequence[int] = ()) -> GRPOConfig:
    """The settings of GRPO.

    Args:
        job: the phase.
        unsaid: tokens that the model must not write.
    """
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
        **settings.built_objective().arguments(),
    }
    args = trl_config(GRPOConfig, "train.grpo", arguments, settings.extra)
    # What the recipe asks for stands beside what must not be said, and not in its place.
    args.generation_kwargs = {**unsampled(unsaid, settings.extra), **(args.generation_kwargs or {})}
    return args


def _attend_alike(args: Any, model: Any) -> None:
    """Let the reference model attend as the policy does, where its parts do so in different ways:
    TRL would have all of them attend as the whole says.
    """
    if found := attentions(model):
        args.model_init_kwargs = {**(args.model_init_kwargs or {}), "attn_implementation": found}


def _pairs(job: Job) -> list[dict[str, str]]:
    """Rows for DPO.

    Raises:
        UsageError: no sample gives one.
    """
    settings = job.config.dpo
    made = [pair(s, settings.rejected, settings.max_reward, job.config.seed) for s in job.samples]
    pairs = [row for row in made if row is not None]
    _left_out(job, [s for s, row in zip(job.samples, made, strict=True) if row is None])
    if not pairs:
        raise UsageError(
            f"none of {len(job.samples)} samples gives a pair with train.dpo.rejected: "
            f"{settings.rejected} and max_reward: {settings.max_reward}; raise max_reward or take "
            "another source"
        )
    return pairs


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
        make_folder(job.folder)
        replace_text(job.folder / "no_pair.json", json.dumps([s.id for s in samples]) + "\n")


def _per_step(args: Any) -> int:
    """Rows for each optimizer step."""
    return int(args.train_batch_size * args.gradient_accumulation_steps * args.world_size)
