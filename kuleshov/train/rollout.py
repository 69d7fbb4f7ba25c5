"""Completions of prompts, each prompt run through the model once for all of its completions.

transformers' `generate` repeats a prompt for each completion and runs all of the repeats. Here the
prompts go first, one row each; what they leave in the key-value cache is repeated, and `generate`
goes on from there, with all of its settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from kuleshov.train.encode import Encoded, join_videos, left_pad
from kuleshov.train.prefix import prompt_positions


@torch.no_grad()
def generate(
    model: Any, prompts: Sequence[Encoded], copies: int, pad_token_id: int, settings: Any
) -> torch.Tensor:
    """Completions of each prompt.

    Args:
        model: a transformers model, or a PEFT wrapper of one.
        prompts: different ones; lengths may differ.
        copies: completions of each.
        pad_token_id: what shorter completions are filled up with.
        settings: transformers' `GenerationConfig`.

    Returns:
        Token ids of shape (len(prompts) * copies, longest completion), those of a prompt together.
    """
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    ids = left_pad([prompt.input_ids for prompt in prompts], pad_token_id)
    mask = left_pad([torch.ones_like(prompt.input_ids) for prompt in prompts], 0)
    told = [prompt_positions(core, prompt) for prompt in prompts]
    positions = torch.stack(
        [left_pad([row[axis] for row in told], 0) for axis in range(len(told[0]))]
    )
    vision = {key: value.to(model.device) for key, value in join_videos(prompts).items()}
    ids, mask, positions = (tensor.to(model.device) for tensor in (ids, mask, positions))
    # All but the last token, from which `generate` goes on.
    cache = model(
        input_ids=ids[:, :-1],
        attention_mask=mask[:, :-1],
        position_ids=(positions if len(positions) > 1 else positions[0])[..., :-1],
        use_cache=True,
        logits_to_keep=1,
        **vision,
    ).past_key_values
    cache.batch_repeat_interleave(copies)
    if hasattr(core.base_model, "rope_deltas"):
        ahead = torch.stack([row.max() + 1 - row.size(1) for row in told])[:, None]
        core.base_model.rope_deltas = ahead.to(model.device).repeat_interleave(copies, dim=0)
    written = model.generate(
        input_ids=ids.repeat_interleave(copies, dim=0),
        attention_mask=mask.repeat_interleave(copies, dim=0),
        past_key_values=cache,
        generation_config=settings,
    )
    completions: torch.Tensor = written[:, ids.size(1) :]
    return completions
