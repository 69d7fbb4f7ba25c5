"""One phase of a training run: what it starts from, where it writes, how it is carried out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from accelerate import PartialState
from accelerate.utils import is_peft_model
from datasets import Dataset
from peft import PeftModel
from transformers import AutoModelForImageTextToText, PrinterCallback

from kuleshov.errors import UsageError
from kuleshov.files import sync
from kuleshov.left_out import LeftOut
from kuleshov.notice import Notice, deferred
from kuleshov.owned import remove
from kuleshov.progress import Figures, Progress
from kuleshov.sample import Sample
from kuleshov.train.config import TrainConfig
from kuleshov.train.divergence import Divergence
from kuleshov.train.encode import Render
from kuleshov.train.experts import ask_for_nothing
from kuleshov.train.follow import Follow
from kuleshov.train.idle import Idle
from kuleshov.train.model import dtype_of, load_model
from kuleshov.train.positions import place
from kuleshov.train.resume import (
    Checkpoints,
    Heed,
    RenamedWeights,
    checkpoints_of,
    remove_checkpoint,
    rewind,
    steps_done,
    tokens_seen,
)
from kuleshov.train.stand_ins import StandIns
from kuleshov.train.tower import freeze
from kuleshov.trained_on import write_trained_on
from kuleshov.whole import FILE, declare, files_of

CALLED = {"sft": "cold start", "dpo": "preferences", "grpo": "GRPO"}
"""What people call the phases."""


@final
@dataclass(frozen=True)
class Job:
    """One phase of a run.

    Args:
        name: of the phase, a key of `phases.PHASES`.
        model: name or path of the one that it starts from.
        samples: those of the train split.
        renderer: of their media, such as a `kuleshov.media.Renderer`.
        run: the run folder.
        target: where the model goes, whole or not at all.
        config: the settings of all phases.
        progress: told of every step.
        figures: told of what is logged.
        checkpoint: to go on from, if there is one.
    """

    name: str
    model: str
    samples: Sequence[Sample]
    renderer: Render
    run: Path
    target: Path
    config: TrainConfig
    progress: Progress
    figures: Figures
    checkpoint: Path | None = None

    @property
    def folder(self) -> Path:
        """What belongs to this phase alone."""
        return self.run / self.name

    def load(self) -> tuple[Any, Any]:
        """(model, processor) as training starts from them."""
        loaded, processor = load_model(self.model)
        place(loaded, self.config.positions)
        if self.config.freeze_vision:
            freeze(loaded)
        return loaded, processor

    def follow(self) -> Follow:
        """Writes down what the trainer logs."""
        path, what = self.run / "metrics.jsonl", CALLED[self.name]
        return Follow(path, self.name, what, self.progress, self.figures)

    def stand_ins(self, rows: Dataset) -> StandIns:
        """What takes the place of rows that cannot be shown."""
        share = self.config.left_out_share
        out = LeftOut(self.run, len(self.samples), share, "train.left_out_share")
        return StandIns(rows, out)

    def arguments(self) -> dict[str, Any]:
        """What the trainers of all phases are given."""
        return {
            "output_dir": str(self.folder / "checkpoints"),
            "seed": self.config.seed,
            "save_steps": self.config.checkpoint_steps,
            "logging_steps": 1,
            "bf16": torch.cuda.is_available(),
            "activation_checkpointing": torch.cuda.is_available(),
            # Rows without video or image leave the vision tower out, perhaps in one process only.
            "ddp_find_unused_parameters": True,
            "dataloader_pin_memory": torch.cuda.is_available(),
            "remove_unused_columns": False,
            "report_to": list(self.config.report_to),
            "disable_tqdm": True,
        }

    def carry_out(self, trainer: Any, processor: Any) -> None:
        """Train, going on from a checkpoint if there is one, and put the model where it belongs."""
        trainer.remove_callback(PrinterCallback)  # Follow tells, and keeps what it tells
        trainer.add_callback(Divergence(self.config.divergence))
        trainer.add_callback(Idle(CALLED[self.name], self.config.idle_steps))
        trainer.remove_callback(RenamedWeights)  # some trainers have it
        trainer.add_callback(RenamedWeights())
        heed = Heed()
        trainer.add_callback(heed)
        trainer.add_callback(Checkpoints(self.run, self.name))
        here, last = PartialState(), self.checkpoint
        before = steps_done(last) if last else 0
        trainer._total_train_tokens = tokens_seen(last) if last else 0
        if here.is_main_process:
            rewind(self.run, self.name, before)
        with deferred():
            trainer.train(resume_from_checkpoint=last and str(last))
        if heed.heard:
            raise Notice(
                f"{CALLED[self.name]} has a checkpoint of step {trainer.state.global_step}"
            )
        # A callback may have ended it after some steps; without one there was no batch.
        if trainer.state.global_step == before < trainer.state.max_steps:
            raise UsageError(
                f"{CALLED[self.name]} ended after {before} of {trainer.state.max_steps} steps, as "
                "there was nothing more to train on; make more samples, or ask for smaller batches"
            )
        unfinished = self.target.with_name(self.target.name + ".tmp")
        if here.is_main_process:
            remove(unfinished, "*", "*/*")
        here.wait_for_everyone()
        _save(trainer, self.folder, unfinished, dtype_of(self.model))
        here.wait_for_everyone()
        if here.is_main_process:
            processor.save_pretrained(str(unfinished))
            write_trained_on(unfinished, self.samples, self.model, self.config.positions)
            self._declare(unfinished)
            os.replace(unfinished, self.target)
            for checkpoint in checkpoints_of(self.run, self.name):
                remove_checkpoint(self.run, checkpoint)  # TensorBoard's files stay beside them
        here.wait_for_everyone()
        if heed.agreed():
            raise Notice(f"{CALLED[self.name]} is finished")

    def _declare(self, unfinished: Path) -> None:
        """Say that the model is whole, which is about to get its name."""
        adapter = self.folder / "adapter"
        files = {self.target / one.relative_to(unfinished): one for one in files_of(unfinished)}
        for folder in (unfinished, adapter):
            sync(folder)
        declare(self.run, self.folder / FILE, {**files, **{one: one for one in files_of(adapter)}})


def share(total: int, what: str) -> int:
    """What falls to each process, of a number that is for all of them."""
    processes = PartialState().num_processes
    if total % processes:
        raise UsageError(
            f"{what} is {total}; with {processes} processes it must be a multiple of {processes}"
        )
    share: int = total // processes
    return share


def _save(trainer: Any, folder: Path, target: Path, dtype: torch.dtype) -> None:
    """Whole weights: adapters are put into the weights that they were trained on.

    These are loaded anew, as the trainer's own may be spread over processes.

    Args:
        trainer: with the trained model, whose weights are float32.
        folder: where adapters go.
        target: where the model goes.
        dtype: what the weights are saved in: that of the model that training began with.
    """
    adapter = str(folder / "adapter") if is_peft_model(trainer.model) else None
    ask_for_nothing(trainer.accelerator.unwrap_model(trainer.model))
    trainer.save_model(adapter or str(target))
    if trainer.is_world_process_zero():
        if adapter is not None:
            base, _ = load_model(trainer.model.get_base_model().config._name_or_path)
            merged = PeftModel.from_pretrained(base, adapter).merge_and_unload()
            merged.save_pretrained(str(target))
        if dtype != torch.float32:
            _save_as(target, dtype)
    trainer.accelerator.wait_for_everyone()


def _save_as(folder: Path, dtype: torch.dtype) -> None:
    """Write the weights in a folder anew, in another precision."""
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype)
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    model.save_pretrained(str(folder))
