"""Supervised fine-tuning on true answers: the cold start that teaches the answer's form.

The loss is TRL's, unchanged: the mean negative log-probability of the completions' tokens, over all
micro-batches and processes of a step. TRL 1.16 finds and collates images only, so the rows here
hold samples, which are encoded when they are used: any number of videos and images, or none.

Departures: with Qwen-VL models TRL 1.16 averages the means of the micro-batches, so that a token of
a short one weighs more (transformers 5.23 says that these models take no count of tokens); here the
mean is over the tokens. Not covered: packing and padding-free batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from trl import SFTTrainer

from kuleshov.errors import UsageError
from kuleshov.sample import Sample
from kuleshov.tasks import task_of
from kuleshov.train.encode import Encoder, batch
from kuleshov.train.experts import balance_if_possible
from kuleshov.train.guard import guard

# What the collator here does not do, with the values that ask for it. TRL itself refuses to be
# padding-free with a collator of ours.
_REFUSED = {"packing": True, "completion_only_loss": False}


class VideoCollator:
    """Rows with a `sample` become a batch whose labels are the true answers' completions."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        samples = [Sample.from_json(entry["sample"]) for entry in rows]
        answers = [task_of(sample).completion(sample.answer, sample) for sample in samples]
        return batch(
            [self.encoder(sample) for sample in samples],
            self.encoder.processor.tokenizer.pad_token_id,
            [self.encoder.answer_ids(answer) for answer in answers],
        )


class VideoSFTTrainer(SFTTrainer):  # type: ignore[misc]  # TRL has no type information
    """`trl.SFTTrainer` whose dataset rows hold samples (see `kuleshov.train.grpo.row`).

    A further loss of the same batch is added where `compute_loss` is overridden, with the hidden
    states that it needs from `block_output` around the call of `super().compute_loss`.

    Args:
        encoder: turns a sample into model inputs.
        **kwargs: as for `trl.SFTTrainer`; without a `data_collator` the labels are the true
            answers.

    Raises:
        UsageError: the arguments ask for what is not covered.
        MissingVideoError (while training): video tokens reached the model without their features.
    """

    def __init__(self, *args: Any, encoder: Encoder, **kwargs: Any) -> None:
        kwargs.setdefault("data_collator", VideoCollator(encoder))
        super().__init__(*args, **kwargs)
        for name, value in _REFUSED.items():
            if getattr(self.args, name) is value:
                raise UsageError(
                    f"SFTConfig: {name} is {value}; leave it out, the collator of samples does "
                    "not do it"
                )
        # Of its own loss a model may say that it takes no count of tokens. The loss here is TRL's,
        # which does.
        self.model_accepts_loss_kwargs = True
        balance_if_possible(self)
        guard(self.model)

    def _prepare_dataset(self, dataset: Any, *args: Any) -> Any:
        return dataset  # the collator encodes

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["sample"]


@contextmanager
def block_output(model: Any, number: int) -> Iterator[list[torch.Tensor]]:
    """The hidden states behind a block of the language model, with gradients, for what runs inside.

    TRL's fused head gives none back, and asking a model for all of them keeps all of them.

    Args:
        model: a transformers model, or a PEFT wrapper of one.
        number: of the block, from 1.

    Yields:
        A list that gets a tensor of shape (rows, tokens, width) for each forward pass.
    """
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    blocks = core.get_decoder().layers
    if not 1 <= number <= len(blocks):
        raise UsageError(f"block {number} of the language model; allowed: 1 to {len(blocks)}")
    outputs: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, args: Any, output: Any) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    handle = blocks[number - 1].register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()
