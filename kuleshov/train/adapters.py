"""Adapters (LoRA) on a model, as the recipe says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer

from kuleshov.errors import UsageError, unknown_name
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
        target_parameters=settings.target_parameters or None,
    )


def adapted(model: Any, settings: LoRASettings) -> Any:
    """A model with adapters; the model itself if there are to be none.

    Raises:
        UsageError: the pattern fits none of its modules, or one that takes no adapter, or there is
            no such parameter.
    """
    config = lora(settings)
    if config is None:
        return model
    names = [name for name, _ in model.named_parameters()]
    for parameter in settings.target_parameters:
        if not any(f".{name}".endswith(f".{parameter}") for name in names):
            raise unknown_name(
                "parameter in train.lora.target_parameters", parameter, _kinds(names)
            )
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


def left_out(model: Any) -> tuple[list[str], float]:
    """The matrices in the layers of the language model that have no adapter.

    Args:
        model: with adapters.

    Returns:
        (their names without the number of their layer, their share of the weights of all matrices
        in the layers).
    """
    layers = model.get_base_model().get_decoder().layers
    own = [(n, w) for n, w in layers.named_parameters() if "lora_" not in n and w.dim() > 1]
    adapted = {
        _weight(name)
        for name, module in layers.named_modules()
        if isinstance(module, BaseTunerLayer)
        for name in _of(name, module)
    }
    without = [(n, w.numel()) for n, w in own if _weight(n) not in adapted]
    share = sum(count for _, count in without) / sum(w.numel() for _, w in own)
    return _kinds(_weight(name) for name, _ in without), share


def _of(name: str, module: Any) -> list[str]:
    """What an adapter's layer adapts: a linear layer, or one parameter of a module."""
    parameter = getattr(module, "parameter_name", None)
    return [f"{name}.{parameter or 'weight'}"]


def _weight(name: str) -> str:
    return name.replace(".base_layer", "")


def _kinds(names: Iterable[str]) -> list[str]:
    """Names of parameters without what numbers their layer, and without `weight`."""
    return sorted(
        {re.sub(r"^.*?layers\.\d+\.|^\d+\.", "", n).removesuffix(".weight") for n in names}
    )
