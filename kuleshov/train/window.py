"""The window of steps that share their rollouts, and how it outlives a kill.

    step        0 1 2 3 | 4 5 6 7 | 8 ...       steps_per_generation * num_iterations = 4
    rolls out   x         x         x           what steps 1 to 3 train on was written at step 0

TRL 1.16 puts neither the rollouts nor its place in the window into a checkpoint. A run that goes
on in the middle of a window writes new completions, with the policy of a later step, and from then
on trains each window on prompts that belong to the one after it. It also draws the order of the
first epoch again in each later one. Here all three go on as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final

import torch
from transformers import TrainerCallback
from trl.trainer.utils import RepeatSampler, split_tensor_dict

from kuleshov.errors import UsageError
from kuleshov.randomness import digest
from kuleshov.sample import Sample
from kuleshov.train.encode import Encoded


def encode_once(texts: list[str], encode: Callable[[Sample], Encoded]) -> list[Encoded]:
    """The prompt of each row; rows of the same sample, given as JSON, get the same object."""
    once: dict[str, Encoded] = {}
    for text in texts:
        if text not in once:
            once[text] = encode(Sample.from_json(text))
    return [once[text] for text in texts]


def together(batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same micro-batches with the rows of a group next to each other.

    TRL shuffles completions one by one; then a micro-batch holds few of any group, and each
    prompt is computed in most of them. Groups stay in the shuffled order.
    """
    numbers = torch.cat([batch["group"] for batch in batches]).tolist()
    first = {number: row for row, number in reversed(list(enumerate(numbers)))}
    order = sorted(range(len(numbers)), key=lambda row: first[numbers[row]])

    def joined(values: list[Any]) -> Any:
        if isinstance(values[0], list):
            whole = [value for some in values for value in some]
            return [whole[row] for row in order]
        if isinstance(values[0], torch.Tensor) and values[0].ndim:
            return torch.cat(values)[order]
        return values[0]

    whole = {key: joined([batch[key] for batch in batches]) for key in batches[0]}
    split: list[dict[str, Any]] = split_tensor_dict(whole, len(batches))
    return split


@final
class EpochSampler(torch.utils.data.Sampler[int]):
    """TRL's sampler, with an order of the samples that depends on the seed and the epoch alone.

    Args:
        sampler: what repeats the samples for their groups and iterations.
        epoch: the number of the epoch that is being begun.
    """

    def __init__(self, sampler: RepeatSampler, epoch: Callable[[], int]) -> None:
        self.sampler = sampler
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        if self.sampler.shuffle:
            key = digest(self.sampler.seed, "epoch", self.epoch())
            self.sampler.generator.manual_seed(key % 2**63)
        yield from self.sampler

    def __len__(self) -> int:
        return len(self.sampler)


@final
class KeepWindow(TrainerCallback):  # type: ignore[misc]
    """Puts the place in the window and its rollouts into the checkpoints, and takes them out.

    The rollouts go in without pixels; prompts are encoded again from their samples.

    Args:
        trainer: a `VideoGRPOTrainer`.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer

    def _file(self, args: Any, state: Any) -> Path:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        return checkpoint / f"window-{args.process_index}.pt"

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        window = args.steps_per_generation * self.trainer.num_iterations
        batches = self.trainer._buffered_inputs if self.trainer._step % window else None
        if batches is not None:
            batches = [{k: v for k, v in batch.items() if k != "encoded"} for batch in batches]
        torch.save({"step": self.trainer._step, "batches": batches}, self._file(args, state))

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not state.global_step:
            return
        file = self._file(args, state)
        if not file.is_file():
            raise UsageError(
                f"{file} is missing, so the rollouts cannot go on as they were; go on with as many "
                "processes as the run was started with, or start it again in another folder"
            )
        # Of several processes on CPUs each has a number, which torch cannot load to.
        device = torch.device(args.device)
        where = "cpu" if device.type == "cpu" else device
        kept = torch.load(file, map_location=where, weights_only=True)
        self.trainer._step = kept["step"]
        batches: list[dict[str, Any]] | None = kept["batches"]
        if batches is not None:
            texts = [text for batch in batches for text in batch["sample"]]
            encoded = iter(encode_once(texts, self.trainer.encoder))
            for batch in batches:
                batch["encoded"] = [next(encoded) for _ in batch["sample"]]
        self.trainer._buffered_inputs = batches
