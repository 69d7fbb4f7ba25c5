"""One real step of GRPO with the settings of the recipe: its seconds, its memory, what it learned.

The model in memory is changed by it; nothing is written but into a folder that is gone afterwards.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import PrinterCallback

from kuleshov.preflight.findings import FINE, WARNING, Found
from kuleshov.train.config import GRPOSettings, TrainConfig
from kuleshov.train.job import Job
from kuleshov.train.memory import Load, Memory, estimate, shape_of
from kuleshov.train.phases import grpo_trainer

if TYPE_CHECKING:
    from kuleshov.preflight.subject import Subject

UNCOUNTED = 2 << 30
"""Bytes that PyTorch and its kernels take themselves (memory.py), at most."""


def step(subject: Subject, left: float) -> Found:
    """A step of GRPO; of one group instead of all where the time that is left would not do."""
    settings = subject.config.grpo
    completions = settings.prompts_per_step * settings.group_size
    # Rollouts, and as long again for the loss; ours.
    whole = 2 * subject.seconds_per_answer * completions <= left
    chosen = replace(settings, steps=1)
    if not whole:
        micro = min(settings.micro_batch or settings.group_size, settings.group_size)
        chosen = replace(chosen, prompts_per_step=1, micro_batch=micro)
    with tempfile.TemporaryDirectory() as folder:
        trainer = grpo_trainer(
            _job(subject, replace(subject.config, grpo=chosen, report_to=[]), Path(folder)),
            subject.model,
            subject.processor,
        )
        trainer.args.save_strategy = "no"
        trainer.remove_callback(PrinterCallback)
        planned = _planned(subject, trainer.model, chosen)
        gpu = subject.device.type == "cuda"
        if gpu:
            torch.cuda.reset_peak_memory_stats()
        began = time.monotonic()
        trainer.train()
        seconds = time.monotonic() - began
    peak = torch.cuda.max_memory_allocated() if gpu else _peak_of_process()
    logged: dict[str, Any] = {}
    for entry in trainer.state.log_history:
        logged |= entry
    figures: dict[str, Any] = {
        "seconds": round(seconds, 2),
        "completions": chosen.prompts_per_step * chosen.group_size,
        "whole": whole,
        "peak_bytes": peak,
        "planned_bytes": planned.total if planned else None,
        **{key: logged[key] for key in ("loss", "grad_norm", "reward") if key in logged},
    }
    text = f"{figures['completions']} completions in {seconds:.1f} s"
    if not whole:
        text += f" (one group; a step of the recipe has {completions})"
    text += f", gradient {logged.get('grad_norm', 0):.2g}; at most {_gigabytes(peak)} of "
    text += "the GPU's memory" if gpu else "main memory, libraries included"
    if planned is None:
        text += "; plan knows no formula for this family"
    else:
        text += f"; plan estimates {_gigabytes(planned.total)} of a GPU's"
        if gpu and whole and peak > planned.total + UNCOUNTED:
            remedy = "count on the measured figure, and report the difference"
            return Found("step", WARNING, text, remedy, figures)
    return Found("step", FINE, text, figures=figures)


def _job(subject: Subject, config: TrainConfig, run: Path) -> Job:
    given = (subject.samples, subject.render, run, run / "model")
    return Job("grpo", subject.name, *given, config, lambda *_: None, lambda *_: None)


def _planned(subject: Subject, model: Any, settings: GRPOSettings) -> Memory | None:
    """What plan's formulas say of these prompts; None for a family that they are not written for.

    Args:
        subject: whose prompts count, the longest of them.
        model: as it is trained.
        settings: of the step.
    """
    try:
        shape = shape_of(model)
    except AttributeError:
        return None
    completions = settings.prompts_per_step * settings.group_size
    micro = settings.micro_batch or completions
    pixels = [p.videos[key] for p in subject.prompts for key in p.videos if key.startswith("pixel")]
    load = Load(
        prompt_tokens=max(len(prompt.input_ids) for prompt in subject.prompts),
        patches=max(map(len, pixels), default=0),
        completion_tokens=settings.max_completion_tokens,
        completions=completions,
        prompts=settings.prompts_per_step,
        micro_batch=micro,
        micro_prompts=-(-micro // settings.group_size),
        shared=settings.share_prompts,
    )
    reference = settings.beta != 0 and not subject.config.lora.rank
    return estimate(shape, load, reference, 1, False)


def _peak_of_process() -> int:
    """Bytes, since the process began."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB"
