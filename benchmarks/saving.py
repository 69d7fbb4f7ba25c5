"""What it costs to hash the files of a checkpoint while it is saved.

A module with random weights is trained for some steps by transformers' trainer, with AdamW, and
each step is saved: weights, both moments, random states. The last line that is printed is one JSON
object:

    bytes       of a checkpoint
    saving_s    seconds to write it and see it onto the disk, hashes included, median over the steps
    hashing_s   seconds of these in which files are hashed, likewise
    share       of all these seconds

    python -m benchmarks.saving [--megabytes 1000] [--steps 5] [--folder build]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from transformers import Trainer, TrainingArguments

from kuleshov.manifest import entry
from kuleshov.train.resume import Checkpoints

_COPIES = 3
"""The weights, and AdamW's two moments."""


class Numbers(torch.nn.Module):
    """So many weights, of which all get a gradient."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.layers = torch.nn.ParameterList(torch.randn(count // 8) for _ in range(8))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": sum(((layer * x.mean()).mean() for layer in self.layers), torch.zeros(()))}


def measured(folder: Path, megabytes: float, steps: int) -> dict[str, float]:
    """The figures, see the module.

    Args:
        folder: to work in.
        megabytes: of a checkpoint, 10^6 bytes each.
        steps: that are saved.
    """
    seconds: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[name].append(time.perf_counter() - begun)

        return run

    checkpoints = folder / "sft" / "checkpoints"
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=steps + 1,  # the last one is not saved
        save_steps=1,
        per_device_train_batch_size=1,
        report_to=[],
        disable_tqdm=True,
        logging_steps=1000,
    )
    model = Numbers(int(megabytes * 1e6 / 4 / _COPIES))
    rows = [{"x": torch.ones(1)}] * (steps + 1)
    trainer = Trainer(model, arguments, train_dataset=rows, callbacks=[Checkpoints(folder, "sft")])
    with (
        patch.object(Trainer, "_save_checkpoint", timed("write", Trainer._save_checkpoint)),
        patch.object(Checkpoints, "on_save", timed("declare", Checkpoints.on_save)),
        patch("kuleshov.whole.entry", timed("hash", entry)),
    ):
        trainer.train()
    saving = [a + b for a, b in zip(seconds["write"], seconds["declare"], strict=True)]
    files = len(seconds["hash"]) // steps
    hashing = [sum(seconds["hash"][i * files : (i + 1) * files]) for i in range(steps)]
    last = checkpoints / f"checkpoint-{steps}"
    return {
        "bytes": sum(path.stat().st_size for path in last.rglob("*") if path.is_file()),
        "saving_s": round(median(saving), 3),
        "hashing_s": round(median(hashing), 4),
        "share": round(sum(hashing) / sum(saving), 4),
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=float, default=1000.0)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="on the disk that is measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(json.dumps(measured(Path(folder), options.megabytes, options.steps)))


if __name__ == "__main__":
    main()
