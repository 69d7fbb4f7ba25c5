"""Checkpoints that a killed run can go on from, and logs without its lost steps.

    checkpoint-20/   weights, optimizer, random states, ...   of transformers
                     objective.json, window-0.pt              objective_trainer.py, window.py
                     whole                                    written last, by the main process

A checkpoint without `whole` was being written when the run was killed; it is removed. The one
before it goes when the new one is whole, which transformers' own `save_total_limit` does too early.

Weights of some families have other names on disk than in memory (Qwen2.5-VL: `visual.` and
`model.visual.`). When a run goes on, transformers 5.23 looks for the names in memory, finds none,
warns, and trains on from the weights that the run began with (Qwen3-VL issue 1763).
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

from accelerate import PartialState
from accelerate.utils import DistributedType, gather_object
from safetensors import safe_open
from transformers import PreTrainedModel, TrainerCallback

from kuleshov.files import replace_text, sync
from kuleshov.notice import given

_WHOLE = "whole"
# Here a checkpoint holds the weights as `save_pretrained` writes them, and not in shards.
_UNSHARDED = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)


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


def tokens_seen(checkpoint: Path) -> int:
    """How many tokens a trainer had logged, which those of SFT and DPO count from 0 again."""
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    counts = [log["num_tokens"] for log in state["log_history"] if "num_tokens" in log]
    return int(max(counts, default=0))


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
class RenamedWeights(TrainerCallback):  # type: ignore[misc]  # transformers has no type information
    """Loads the weights that transformers does not find in a checkpoint."""

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        names: set[str] = set()
        for file in checkpoint.glob("model*.safetensors"):
            with safe_open(file, "pt") as weights:
                names |= set(weights.keys())
        plain = isinstance(model, PreTrainedModel)
        if PartialState().distributed_type not in _UNSHARDED or not plain:
            return
        if names - model.state_dict().keys():
            loaded = type(model).from_pretrained(checkpoint, dtype=model.dtype)
            model.load_state_dict(loaded.state_dict())
            logging.getLogger(__name__).warning(
                "the weights of %s are loaded by their names on disk; a warning above about "
                "missing and unexpected keys is settled",
                checkpoint,
            )


@final
class Heed(TrainerCallback):  # type: ignore[misc]  # transformers has no type information
    """Ends training with a checkpoint of the step at hand when there was a notice (notice.py).

    Attributes:
        heard: whether it did.
    """

    def __init__(self) -> None:
        self.heard = False

    def agreed(self) -> bool:
        """Whether one of the processes has a notice: all of them stop at the same step."""
        if PartialState().num_processes == 1:
            return given()
        return any(gather_object([given()]))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # After the last step the model is saved, and then there is time to end.
        if state.global_step < state.max_steps and self.agreed():
            self.heard = control.should_save = control.should_training_stop = True


@final
class Checkpoints(TrainerCallback):  # type: ignore[misc]  # transformers has no type information
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
            sync(here)
            replace_text(here / _WHOLE, "")
            for other in here.parent.glob("checkpoint-*"):
                if other != here:
                    # Not whole from now on, in case that it is not removed altogether.
                    (other / _WHOLE).unlink(missing_ok=True)
                    shutil.rmtree(other)
