"""Completions of prompts, each prompt run through the model once for all of its completions.

transformers' `generate` repeats a prompt for each completion and runs all of the repeats. Here the
prompts go first, one row each; what they leave in the key-value cache is repeated, and `generate`
goes on from there, with all of the settings that it is given and none of the checkpoint's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from transformers import GenerationConfig, LogitsProcessor

from kuleshov.train.encode import Encoded, batch, left_pad
from kuleshov.train.generation import plain
from kuleshov.train.prefix import prompt_positions
from kuleshov.train.tower import NOTHING_KEPT, Tower


@torch.no_grad()
def generate(
    model: Any,
    prompts: Sequence[Encoded],
    rows: Sequence[int],
    pad_token_id: int,
    settings: Any,
    tower: Tower = NOTHING_KEPT,
    processors: Sequence[LogitsProcessor] = (),
) -> torch.Tensor:
    """A completion for each row.

    Args:
        model: a transformers model, or a PEFT wrapper of one.
        prompts: different ones; lengths may differ.
        rows: for each completion the index of its prompt.
        pad_token_id: what shorter completions are filled up with.
        settings: transformers' `GenerationConfig`.
        tower: the embeddings of the videos as far as they are known.
        processors: of logits, behind those of the settings.

    Returns:
        Token ids of shape (rows, longest completion).
    """
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    told = [prompt_positions(core, prompt) for prompt in prompts]
    ids = left_pad([prompt.input_ids for prompt in prompts], pad_token_id)
    mask = left_pad([torch.ones_like(prompt.input_ids) for prompt in prompts], 0)
    axes = [left_pad([axes[i] for axes in told], 0) for i in range(len(told[0]))]
    positions = torch.stack(axes) if len(axes) > 1 else axes[0]
    chosen, ids, mask, positions = (
        tensor.to(model.device) for tensor in (torch.tensor(rows), ids, mask, positions)
    )
    before = (ids[:, :-1], mask[:, :-1], positions[..., :-1])
    where = {"position_ids": before[2]} if _takes_positions(core, *before) else {}
    # All but the last token, from which `generate` goes on.
    cache = model(
        input_ids=before[0],
        attention_mask=before[1],
        **where,
        use_cache=True,
        logits_to_keep=1,
        **tower.inputs(model, prompts, model.device),
    ).past_key_values
    cache.batch_select_indices(chosen)
    if hasattr(core.base_model, "rope_deltas"):
        # By how much positions are ahead of the number of tokens, which `generate` counts on from
        # the last one: that of the prompt, as in a plain row, and not the largest of its videos.
        ahead = torch.stack([axes[:, -1].max() + 1 - axes.size(1) for axes in told])[:, None]
        core.base_model.rope_deltas = ahead.to(model.device)[chosen]
    with plain(model):
        written = model.generate(
            input_ids=ids[chosen],
            attention_mask=mask[chosen],
            past_key_values=cache,
            generation_config=settings,
            logits_processor=list(processors),
        )
    completions: torch.Tensor = written[:, ids.size(1) :]
    return completions


def _takes_positions(
    core: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor
) -> bool:
    """Whether `generate` tells a model positions. One that drops them counts on from its cache,
    with what fills up the shorter prompts, and so it must count from there at the beginning too.
    """
    if positions.dim() > 2:  # with times, rows and columns, which cannot be counted
        return True
    told = core.prepare_inputs_for_generation(
        ids, attention_mask=mask, position_ids=positions, use_cache=True, is_first_iteration=True
    )
    return told.get("position_ids") is not None


def dictated(
    model: Any,
    prompt: Encoded,
    completions: torch.Tensor,
    pad_token_id: int,
    tower: Tower | None,
    filled: int = 0,
) -> torch.Tensor:
    """The log-probabilities that generation sees when it is made to write given completions.

    Args:
        model: a transformers model, or a PEFT wrapper of one.
        prompt: of all of them.
        completions: token ids of shape (rows, length), none of which ends a completion.
        pad_token_id: what shorter rows are filled up with.
        tower: as for `generate`, which is asked; None for transformers' own, which repeats the
            prompt for each row.
        filled: by how many places its rows are filled up on the left; for transformers' own.

    Returns:
        Shape (rows, length), in nats.
    """
    rows, length = completions.shape
    settings = GenerationConfig(max_new_tokens=length, do_sample=False, pad_token_id=pad_token_id)
    dictation = _Dictation(completions.to(model.device))
    if tower is not None:
        generate(model, [prompt], [0] * rows, pad_token_id, settings, tower, [dictation])
    else:
        inputs = batch([prompt] * rows, pad_token_id)
        for key, value in {
            "input_ids": pad_token_id,
            "attention_mask": 0,
            "mm_token_type_ids": 0,
        }.items():
            if key in inputs:
                inputs[key] = torch.nn.functional.pad(inputs[key], (filled, 0), value=value)
        moved = {key: value.to(model.device) for key, value in inputs.items()}
        with plain(model), torch.no_grad():
            model.generate(**moved, generation_config=settings, logits_processor=[dictation])
    return torch.stack(dictation.told, dim=1)


@final
class _Dictation(LogitsProcessor):  # type: ignore[misc]  # transformers has no type information
    """Leaves one token to each row, and keeps how likely it was."""

    def __init__(self, completions: torch.Tensor) -> None:
        self.completions = completions
        self.told: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        wanted = self.completions[:, len(self.told), None]
        self.told.append(scores.float().log_softmax(-1).gather(1, wanted)[:, 0])
        return torch.full_like(scores, -torch.inf).scatter(1, wanted, 0.0)
