"""Adapters (LoRA) on a model, as the recipe says."""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from kuleshov.errors import UsageError
from kuleshov.train.config import LoRASettings


def lora(settings: LoRASettings) -> LoraConfig | None:
    """Adapters as PEFT has them; None for none."""
    if not settings.rank:
        return None
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.targets,
    )


def adapted(model: Any, settings: LoRASettings) -> Any:
    """A model with adapters; the model itself if there are to be none.

    Raises:
        UsageError: the pattern fits none of its modules, or one that takes no adapter.
    """
    config = lora(settings)
    if config is None:
        return model
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        linear = {
            name.rpartition(".")[2]
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear)
        }
        raise UsageError(
            f"train.lora.targets is {settings.targets!r}, the name of no module that adapters can "
            "be put on; give a regular expression of whole names, or all-linear. The names of the "
            f"model's linear layers end in {', '.join(sorted(linear))}"
        ) from error
