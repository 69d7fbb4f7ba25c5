"""A model and its processor, by name or path."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from kuleshov.errors import UsageError


def load_model(model: str, dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    """(model, processor) by name or path.

    Args:
        model: name or path for `from_pretrained`.
        dtype: of the weights. Training keeps them in float32 and computes in bfloat16 on a GPU:
            the updates of reinforcement learning are too small for bfloat16 weights.

    Raises:
        UsageError: it cannot be loaded, or takes no video.
    """
    try:
        loaded = AutoModelForImageTextToText.from_pretrained(model, dtype=dtype)
        processor = AutoProcessor.from_pretrained(model)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(
            f"model {model!r} cannot be loaded: {reason}. Give a Hugging Face name of a Video LLM, "
            "or the folder of one"
        ) from error
    if getattr(processor, "video_processor", None) is None:
        raise UsageError(f"model {model!r} takes no video; give a Video LLM such as Qwen3-VL")
    return loaded, processor
