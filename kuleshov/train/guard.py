"""A guard that stops a model from running blind.

Stock TRL 1.16 generates with the video and then computes the loss without it: the video tokens
stay in the prompt as plain embeddings, nothing fails, and training goes on (TRL issue 5373). The
guard is a hook on the model's forward, so it holds for any trainer and any path to the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from kuleshov.errors import MissingVideoError
from kuleshov.train.encode import vision_tokens
from kuleshov.train.pixels import INPUTS, count_features
from kuleshov.train.tower import leave_out_filled


def guard(model: Any) -> torch.utils.hooks.RemovableHandle:
    """Make a vision-language model raise when video or image tokens and features do not match.

    Args:
        model: a transformers model with `config.image_token_id` or `config.video_token_id`, or a
            PEFT wrapper of one. Where frames are images to a model, its video tokens are those of
            images. Of a model whose features are not counted here (see pixels.py), only that
            there are some is checked.

    Returns:
        The handle of the hook; `handle.remove()` takes the guard off. What stays is that the model
        leaves out frames which only fill up a batch (tower.py).

    Raises (from the model's forward):
        MissingVideoError: the ids hold such tokens, and no features or another number of them.
    """
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    leave_out_filled(core)

    def check(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        ids = kwargs.get("input_ids", args[0] if args else None)
        if ids is None:
            return
        named = {
            medium: getattr(core.config, token, None) for medium, (token, *_) in INPUTS.items()
        }
        tokens = {
            m: int((ids == number).sum()) for m, number in named.items() if number is not None
        }
        features = {medium: count_features(core.config, kwargs, medium) for medium in tokens}
        made = [count for count in features.values() if count is not None]
        # Some models write videos with the tokens of images, or take them as images.
        if len(made) < len(features) or sum(made) == sum(tokens.values()):
            return
        for medium, number in tokens.items():
            pixels = INPUTS[medium][1]
            if number != features[medium]:
                raise MissingVideoError(
                    f"the prompts hold {number} {medium} tokens, but features for "
                    f"{features[medium]} reach the model, so it would not see what it is asked "
                    f"about. Train with kuleshov.train.grpo.VideoGRPOTrainer, or pass {pixels} "
                    "(and the grid that belongs to it, if any) to the model; if the model wrote "
                    f"{medium} tokens itself, suppress them in its generation settings."
                )

    # The backbone, not the head: TRL's fused LM head calls the backbone directly.
    backbone: torch.nn.Module = core.base_model
    return backbone.register_forward_pre_hook(check, with_kwargs=True)


def refuse_vision_tokens(config: Any, completions: Sequence[Sequence[int]]) -> None:
    """Raise if a model wrote image or video tokens, or those around them, itself.

    No features would belong to them, and in the prompt of a later turn they would take those of
    another video.

    Args:
        config: the model's.
        completions: token ids.

    Raises:
        MissingVideoError: a completion holds one.
    """
    refused = set(vision_tokens(config))
    for number, completion in enumerate(completions):
        for token in completion:
            if token in refused:
                raise MissingVideoError(
                    f"completion {number} of {len(completions)} holds the vision token {token}, "
                    "which stands for a picture that is not there. Suppress such tokens in "
                    "rollouts: trl.GRPOConfig(generation_kwargs={'suppress_tokens': "
                    "kuleshov.train.encode.vision_tokens(model.config)})"
                )
