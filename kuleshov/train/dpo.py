"""Direct preference optimization on video: TRL's trainer, with two completions or two videos.

The loss is TRL's, unchanged (arXiv 2305.18290): for a chosen completion y of a prompt x and a
rejected one y' of a prompt x', with x' = x where the completions differ and y' = y where the videos
differ,

    -log sigmoid(beta * ((log p(y|x) - log p_ref(y|x)) - (log p(y'|x') - log p_ref(y'|x'))))

TRL 1.16 collates images only, and runs a prompt for each of its two completions. Here a prompt
stands once in front of both (prefix.py), for the policy and for the reference.

Departures: none from TRL's. Not covered: reference log-probabilities that are computed beforehand.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial, wraps
from typing import Any

import torch
from accelerate.utils import gather_object
from trl import DPOTrainer

from kuleshov.errors import UsageError
from kuleshov.sample import Sample
from kuleshov.train.encode import Encoded, Encoder, batch
from kuleshov.train.experts import balance_if_possible
from kuleshov.train.guard import guard
from kuleshov.train.positions import place, placed
from kuleshov.train.prefix import Group, pack
from kuleshov.train.sharing import agreed, plain_rows, provable, prove, unshared

_BY_TOKEN = ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1")


class PairCollator:
    """Rows of `kuleshov.train.preference.pair` become TRL's batch: all chosen, then all rejected.

    Args:
        encoder: turns a sample into model inputs.
        share_prompts: give prompts and completions apart, as `groups`, a row for each completion.
    """

    def __init__(self, encoder: Encoder, share_prompts: bool = True) -> None:
        self.encoder = encoder
        self.share_prompts = share_prompts

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        chosen, rejected = [], []
        for entry in rows:
            chosen.append(self.encoder(Sample.from_json(entry["sample"])))
            same = entry["rejected_sample"] == entry["sample"]
            other = chosen[-1] if same else self.encoder(Sample.from_json(entry["rejected_sample"]))
            rejected.append(other)
        prompts = [*chosen, *rejected]
        texts = [entry[side] for side in ("chosen", "rejected") for entry in rows]
        completions = [self.encoder.answer_ids(text) for text in texts]
        if self.share_prompts:
            return _apart(prompts, completions)
        inputs = batch(prompts, self.encoder.processor.tokenizer.pad_token_id, completions)
        inputs["completion_mask"] = (inputs.pop("labels") != -100).long()
        return inputs


def _apart(prompts: Sequence[Encoded], completions: Sequence[torch.Tensor]) -> dict[str, Any]:
    half = len(prompts) // 2
    sides = (prompts[:half], prompts[half:], completions[:half], completions[half:])
    groups = []
    for prompt, other, chosen, rejected in zip(*sides, strict=True):
        if prompt is other:
            groups.append(Group(prompt, [chosen, rejected]))
        else:
            groups += [Group(prompt, [chosen]), Group(other, [rejected])]
    pad = torch.nn.utils.rnn.pad_sequence
    ids = pad(list(completions), batch_first=True)
    own = pad([torch.ones_like(completion) for completion in completions], batch_first=True)
    tokens = sum(len(g.prompt.input_ids) + sum(map(len, g.completions)) for g in groups)
    return {
        # The first column stands for the prompts: a token is told by the place before it.
        "input_ids": torch.nn.functional.pad(ids, (1, 0)),
        "completion_mask": torch.nn.functional.pad(own, (1, 0)),
        "attention_mask": torch.ones(tokens, dtype=torch.long),  # TRL counts it, nothing else
        "groups": groups,
    }


class VideoDPOTrainer(DPOTrainer):  # type: ignore[misc]  # TRL has no type information
    """`trl.DPOTrainer` whose dataset rows are pairs (see `kuleshov.train.preference.pair`).

    Args:
        encoder: turns a sample into model inputs.
        share_prompts: compute a prompt once for both of its completions; the same results, to
            rounding, for less work. False for attention that takes no mask, such as flash.
        **kwargs: as for `trl.DPOTrainer`.

    Raises:
        UsageError: the arguments ask for what is not covered.
        MissingVideoError (while training): video tokens reached the model without their features.
    """

    def __init__(
        self, *args: Any, encoder: Encoder, share_prompts: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        balance_if_possible(self)
        # The auxiliary loss of experts counts tokens, repeated prompts included.
        share_prompts = share_prompts and not self.aux_loss_enabled
        if share_prompts and (reason := unshared(self.model)):
            share_prompts = False
            logging.getLogger(__name__).info("prompts are not shared: %s", reason)
        if kwargs.get("data_collator") is None:
            self.data_collator = PairCollator(encoder, share_prompts)
        for model in (self.model, self.ref_model):
            if model is not None:
                core = self.accelerator.unwrap_model(model)
                guard(core)
                take_groups(core, not (self.is_fsdp_enabled or self.is_deepspeed_enabled))
                place(core, placed(self.accelerator.unwrap_model(self.model)))

    def _prepare_dataset(self, dataset: Any, *args: Any) -> Any:
        return dataset  # the collator encodes

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["sample", "chosen", "rejected_sample", "rejected"]

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        raise UsageError(
            "DPOConfig: precompute_ref_log_probs is True; leave it out, the reference sees each "
            "video with the policy"
        )


def take_groups(model: Any, gradients: bool = True) -> None:
    """Let a model with TRL's fused head take `groups` of prompts with completions.

    `model(groups=..., labels=...)` gives what the fused head gives for the completions: values of
    shape (completions, longest completion), of the even ones first, then of the odd ones, which are
    the chosen and the rejected. Other calls stay as they were. The first groups prove that a shared
    prompt gives the same as one for each completion (sharing.py); if not, each has its own.

    Args:
        model: a transformers model, or a PEFT wrapper of one.
        gradients: whether its weights are whole, so that the proof can ask for a gradient.
    """
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    fused = core.forward
    shares: bool | None = None  # as long as it is not proven

    def logps(inputs: dict[str, Any], labels: torch.Tensor) -> torch.Tensor:
        told: torch.Tensor = fused(**inputs, labels=labels, fused_lm_head=True).log_probs
        return told

    @wraps(type(core).forward)
    def forward(*args: Any, groups: Sequence[Group] | None = None, **kwargs: Any) -> Any:
        nonlocal shares
        if groups is None:
            return fused(*args, **kwargs)
        labels = kwargs["labels"]
        if shares is None:
            group = next(filter(provable, groups), None)
            ready = all(gather_object([group is not None]))
            proof = (
                prove(core, group, logps, labels.device, gradients=gradients)
                if ready and group
                else None
            )
            shares = agreed(proof)
        packed = (plain_rows if shares is False else partial(pack, core))(groups, labels.device)
        output = fused(**packed.inputs, labels=packed.labels, fused_lm_head=True)

        def by_side(values: torch.Tensor) -> torch.Tensor:
            told = packed.of_completions(values, labels.size(1) - 1).to(values.dtype)
            return torch.cat([told[0::2], told[1::2]])

        values = {name: getattr(output, name) for name in _BY_TOKEN}
        return replace(
            output, **{key: by_side(value) for key, value in values.items() if value is not None}
        )

    core.forward = forward
