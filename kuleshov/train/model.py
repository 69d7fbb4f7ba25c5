"""A model and its processor, by name or path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

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
    return _loaded(model, lambda: AutoModelForImageTextToText.from_pretrained(model, dtype=dtype))


def load_skeleton(model: str) -> tuple[Any, Any]:
    """(model, processor) by name or path, the model in its real size on the `meta` device: it has
    every module and parameter, knows its positions, and takes no memory for weights.

    Raises:
        UsageError: as `load_model`.
    """

    def build() -> Any:
        config = AutoConfig.from_pretrained(model)
        with torch.device("meta"):
            return AutoModelForImageTextToText.from_config(config)

    return _loaded(model, build)


def _loaded(model: str, load: Callable[[], Any]) -> tuple[Any, Any]:
    try:
        loaded = load()
        processor = AutoProcessor.from_pretrained(model)
    except (OSError, ValueError, LookupError, RuntimeError, ImportError, SafetensorError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UsageError(
            f"model {model!r} cannot be loaded: {reason}. Give a Hugging Face name of a Video LLM, "
            "or the folder of one"
        ) from error
    if getattr(processor, "video_processor", None) is None:
        raise UsageError(f"model {model!r} takes no video; give a Video LLM such as Qwen3-VL")
    return loaded, processor
