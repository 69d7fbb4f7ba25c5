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

# For images and videos: the token in the config, and the model's inputs.
_INPUTS = {
    "image": ("image_token_id", "pixel_values", "image_grid_thw"),
    "video": ("video_token_id", "pixel_values_videos", "video_grid_thw"),
}


def guard(model: Any) -> torch.utils.hooks.RemovableHandle:
    """Make a vision-language model raise when video or image tokens and features do not match.

    Args:
        model: a transformers model with `config.video_token_id`, or a PEFT wrapper of one.

    Returns:
        The handle of the hook; `handle.remove()` takes the guard off.

    Raises (from the model's forward):
        MissingVideoError: the ids hold such tokens, and no features or another number of them.
    """
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    merge = core.config.vision_config.spatial_merge_size**2

    def check(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        ids = kwargs.get("input_ids", args[0] if args else None)
        if ids is None:
            return
        for medium, (token, pixels, grid) in _INPUTS.items():
            tokens = int((ids == getattr(core.config, token)).sum())
            features = 0
            if kwargs.get(pixels) is not None:
                features = int(kwargs[grid].prod(dim=-1).sum()) // merge
            elif (encoded := (kwargs.get("mm_encoder_outputs") or {}).get(medium)) is not None:
                # `generate` runs the vision tower by itself and passes on what came out.
                features = sum(len(item) for item in encoded.pooler_output)
            if tokens != features:
                raise MissingVideoError(
                    f"the prompts hold {tokens} {medium} tokens, but features for {features} reach "
                    "the model, so it would not see what it is asked about. Train with "
                    f"kuleshov.train.grpo.VideoGRPOTrainer, or pass {pixels} and {grid} to the "
                    f"model; if the model wrote {medium} tokens itself, suppress them in its "
                    "generation settings."
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
