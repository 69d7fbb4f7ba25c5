"""Checkpoints that a killed run can go on from, and logs without its lost steps.

    checkpoint-20/   weights, optimizer, random states, ...   of transformers
                     objective.json, window-0.pt              objective_trainer.py, window.py
                     whole                                    written last, by the main process

A checkpoint without `whole` was being written when the run was killed; it is removed. The one
before it goes when the new one is whole, which transformers' own `save_total_limit` does too early.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

from accelerate import PartialState
from transformers import TrainerCallback

from kuleshov.files import replace_text

_WHOLE = "whole"


def steps_done(checkpoint: Path) -> int:
    """The number of optimizer steps before a checkpoint."""
    return int(checkpoint.name.rpartition("-")[2])


def last_whole(folder: Path) -> Path | None:
    """The newest whole checkpoint of a folder; what is not whole is removed."""
    found = sorted(folder.glob("checkpoint-*"), key=steps_done)
    whole = [checkpoint for checkpoint in found if (checkpoint / _WHOLE).exists()]
    if PartialState().is_main_process:
        for checkpoint in set(found) - set(whole):
            shutil.rmtree(checkpoint)
    PartialState().wait_for_everyone()
    return whole[-1] if whole else None


def rewind(run: Path, phase: str, steps: int) -> None:
    """Take from the logs of a run what a phase wrote after its checkpoint and does again.

    Args:
        run: the run folder.
        phase: such as "grpo".
        steps: how many optimizer steps were done at the checkpoint; 0 without one.
    """
    # A step is logged when it is done, its rollouts when it is begun.
    _keep(run / "metrics.jsonl", lambda line: line["phase"] != phase or line["step"] <= steps)
    if phase == "grpo":
        _keep(run / "completions.jsonl", lambda line: line["step"] < steps)


def _keep(path: Path, wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Lines of a JSONL file that are wanted; the last one may have been cut off by the kill."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    replace_text(path, "".join(line for line in lines if wanted(json.loads(line))))


@final
class Checkpoints(TrainerCallback):  # type: ignore[misc]
    """Marks checkpoints as whole and removes the ones before. To be added last to a trainer."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # The model itself is saved next. From a checkpoint of the last step, transformers goes on
        # with one step too many.
        if state.global_step >= state.max_steps:
            control.should_save = False

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        here = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            (here / _WHOLE).touch()
            for other in here.parent.glob("checkpoint-*"):
                if other != here:
                    # Not whole from now on, in case that it is not removed altogether.
                    (other / _WHOLE).unlink(missing_ok=True)
                    shutil.rmtree(other)
