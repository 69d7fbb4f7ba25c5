"""Checkpoints that a killed run can go on from, and logs without its lost steps.

    checkpoint-20/   weights, optimizer, random states, ...   of transformers
                     objective.json, window-0.pt              objective_trainer.py, window.py
                     whole                                    written last, by the main process:
                                                              what all of these are (whole.py)

A checkpoint without `whole` was being written when the run was killed; it is removed. The one
before it goes when the new one is whole, which transformers' own `save_total_limit` does too early.
One whose files are not what they were is gone on from by nobody: the one before it is, where it is
still there, and else the run is refused.

Weights of some families have other names on disk than in memory (Qwen2.5-VL: `visual.` and
`model.visual.`). When a run goes on, transformers 5.23 looks for the names in memory, finds none,
warns, and trains on from the weights that the run began with (Qwen3-VL issue 1763).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from glob import escape
from pathlib import Path
from typing import Any, final
from zipfile import is_zipfile

from accelerate import PartialState
from accelerate.utils import DistributedType, gather_object
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel, TrainerCallback

from kuleshov.errors import UsageError
from kuleshov.files import replace_text, sync
from kuleshov.notice import given
from kuleshov.owned import listed, remove
from kuleshov.whole import FILE, check_finished, check_logs, declare, files_of, read, wrong

# Here a checkpoint holds the weights as `save_pretrained` writes them, and not in shards.
_UNSHARDED = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
_WRITTEN = (
    *("*.safetensors", "*.safetensors.index.json", "*.bin", "*.bin.index.json", "*.pt", "*.pth"),
    *("*config.json", "*state.json", "token*.json", "*tokens*.json", "*_map.json", "vocab.*"),
    *("merges.txt", "*.model", "*.jinja", "*/*.jinja", "chat_template.json", "objective.json"),
    *("README.md", "pytorch_model_fsdp_*/*", "optimizer_*/*", "global_step*/*", "latest"),
    *("zero_to_fp32.py", FILE),
)
"""What transformers, PEFT, FSDP, DeepSpeed and we put into a checkpoint, where no list says it."""
_NEEDED = {
    "trainer_state.json": (),
    "scheduler.pt": ("global_step*",),
    "optimizer.pt": ("optimizer*", "global_step*"),
    "model.safetensors": ("*.safetensors", "pytorch_model*", "global_step*"),
}
"""Of a checkpoint, what goes on silently or not at all without it, and what stands for it."""
_TORCH = (".pt", ".pth", ".bin")
_log = logging.getLogger(__name__)


def steps_done(checkpoint: Path) -> int:
    """The number of optimizer steps before a checkpoint."""
    return int(checkpoint.name.rpartition("-")[2])


def checkpoints_of(run: Path, phase: str) -> list[Path]:
    """The checkpoints of a phase, whole or not, in the order of their steps."""
    found = (run / phase / "checkpoints").glob("checkpoint-*")
    return sorted((one for one in found if one.name[11:].isdecimal()), key=steps_done)


def going_on(run: Path, done: Mapping[str, Path], to_do: Iterable[str]) -> dict[str, Path]:
    """The checkpoints that phases go on from; all that a run goes on from is looked at.

    Args:
        run: the run folder.
        done: the phases that are finished, with the folders of their models.
        to_do: the others.

    Raises:
        UsageError: something is not what it was.
    """
    for phase, model in done.items():
        check_finished(run, phase, model)
        for checkpoint in checkpoints_of(run, phase):  # a kill left it behind
            remove_checkpoint(run, checkpoint)
    last = {}
    for phase in to_do:
        if found := last_whole(run, phase):
            last[phase] = found
        elif (run / phase / FILE).exists():
            _log.warning("%s: its model is gone, and is trained again", run / phase)
    marks = [run / phase / FILE for phase in done] + [last[phase] / FILE for phase in last]
    if marks:
        check_logs(run, marks[-1])
    return last


def last_whole(run: Path, phase: str) -> Path | None:
    """The newest whole checkpoint of a phase; what is not whole, or newer, is removed.

    Args:
        run: the run folder.
        phase: such as "grpo".

    Raises:
        UsageError: there is one, and none that is still what it was.
    """
    found = checkpoints_of(run, phase)
    bad: dict[Path, str] = {}
    last = None
    for checkpoint in reversed([one for one in found if (one / FILE).exists()]):
        listless = not (checkpoint / FILE).stat().st_size
        why = _headless(checkpoint) if listless else wrong(run, checkpoint / FILE, checkpoint)
        if why:
            bad[checkpoint] = why
            continue
        if listless:
            _log.warning("%s has no list of its files, so they are taken as they are", checkpoint)
        last = checkpoint
        break
    if bad and last is None:
        raise UsageError(
            f"{listed([*bad.values()])}. Put back what was there; or remove "
            f"{run / phase / 'checkpoints'}, and the same command begins this phase again, from "
            "the model that it started with; what the phases before it made is kept"
        )
    for checkpoint in found:
        if checkpoint in bad or not (checkpoint / FILE).exists():
            why = bad.get(checkpoint, f"{checkpoint} was not finished when the run was stopped")
            _log.warning("%s. Training goes on from %s", why, last or "the start of this phase")
            remove_checkpoint(run, checkpoint)
    return last


def _headless(checkpoint: Path) -> str | None:
    """What a checkpoint without a list lacks, or is not whole by its header; None if nothing."""
    wanted = [
        checkpoint / name
        for name, kinds in _NEEDED.items()
        if not any(any(checkpoint.glob(kind)) for kind in (name, *kinds))
    ]
    for path in [*wanted, *sorted(files_of(checkpoint))]:
        try:
            if path.suffix == ".json":
                json.loads(path.read_bytes())
            elif path.suffix == ".safetensors":
                with safe_open(path, "pt"):
                    pass
            elif not path.exists() or (path.suffix in _TORCH and not is_zipfile(path)):
                raise ValueError
        except (OSError, ValueError, RecursionError, SafetensorError):
            return f"{path} is missing or not whole"
    return None


def remove_checkpoint(run: Path, checkpoint: Path) -> None:
    """Remove the files of a checkpoint that are ours; anything else in it stays, and is named."""
    try:
        names = [Path(name) for name in read(checkpoint / FILE)]
    except UsageError:
        names = []
    inside = {run / name for name in names if (run / name).is_relative_to(checkpoint)}
    # With the folders that they lie in, of which some may be empty by now.
    inside |= {above for path in inside for above in path.parents if checkpoint in above.parents}
    ours = [escape(str(path.relative_to(checkpoint))) for path in inside]
    # Not whole from now on, in case that it is not removed altogether.
    (checkpoint / FILE).unlink(missing_ok=True)
    remove(checkpoint, *(ours or _WRITTEN))
    if checkpoint.exists():
        left = sorted(path.name for path in checkpoint.iterdir())
        _log.warning("%s stays, with what is not of this run: %s", checkpoint, listed(left))


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
    lines = path.read_bytes().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    kept, unreadable = [], 0
    for line in lines:
        try:
            if wanted(json.loads(line)):
                kept.append(line)
        except (ValueError, LookupError, TypeError, RecursionError):
            unreadable += 1
    if unreadable:
        _log.warning("%s: %d lines cannot be read, and are left out", path, unreadable)
    replace_text(path, b"".join(kept).decode())


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
    """Marks checkpoints as whole and removes the ones before. To be added last to a trainer.

    Args:
        run: the run folder.
        phase: whose checkpoints they are.
    """

    def __init__(self, run: Path, phase: str) -> None:
        self.run, self.phase = run, phase
        self._foreign: set[Path] = set()

    def _here(self, state: Any) -> Path:
        return self.run / self.phase / "checkpoints" / f"checkpoint-{state.global_step}"

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # The model itself is saved next. From a checkpoint of the last step, transformers goes on
        # with one step too many.
        if state.global_step >= state.max_steps:
            control.should_save = False
        # What a checkpoint of this number holds before it is written is not of this run.
        self._foreign = files_of(self._here(state))

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        here = self._here(state)
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            sync(here)
            ours = files_of(here) - self._foreign
            declare(self.run, here / FILE, {path: path for path in ours})
            for other in checkpoints_of(self.run, self.phase):
                if other != here:
                    remove_checkpoint(self.run, other)
