"""Published models in their real size, without their weights.

The sizes are those of the models' public config.json, written down here because a plan is made
without a hub. Built on torch's `meta` device, a model has every module and parameter and no memory
for any of them. The parameter counts that tests compare with are those of the models' pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedConfig

from kuleshov.errors import UsageError, unknown_name

_QWEN2_5_TOWER = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "fullatt_block_indexes": [7, 15, 23, 31],
    "window_size": 112,
    "tokens_per_second": 2,
}
_QWEN2_5_ROPE = {"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": [16, 24, 24]}
_QWEN3_ROPE = {
    "rope_type": "default",
    "rope_theta": 5_000_000.0,
    "mrope_section": [24, 20, 20],
    "mrope_interleaved": True,
}
# Sizes as published: (model type, language model, vision tower, are embedding and head the same).
PUBLISHED: dict[str, tuple[str, dict[str, Any], dict[str, Any], bool]] = {
    "Qwen/Qwen2.5-VL-3B-Instruct": (
        "qwen2_5_vl",
        {
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "vocab_size": 151936,
            "rope_parameters": _QWEN2_5_ROPE,
        },
        {**_QWEN2_5_TOWER, "out_hidden_size": 2048},
        True,
    ),
    "Qwen/Qwen2.5-VL-7B-Instruct": (
        "qwen2_5_vl",
        {
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152064,
            "rope_parameters": _QWEN2_5_ROPE,
        },
        {**_QWEN2_5_TOWER, "out_hidden_size": 3584},
        False,
    ),
    "Qwen/Qwen3-VL-4B-Instruct": (
        "qwen3_vl",
        {
            "hidden_size": 2560,
            "intermediate_size": 9728,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 151936,
            "rope_parameters": _QWEN3_ROPE,
        },
        {
            "depth": 24,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_heads": 16,
            "out_hidden_size": 2560,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [5, 11, 17],
        },
        True,
    ),
    "Qwen/Qwen3-VL-8B-Instruct": (
        "qwen3_vl",
        {
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 151936,
            "rope_parameters": _QWEN3_ROPE,
        },
        {
            "depth": 27,
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_heads": 16,
            "out_hidden_size": 4096,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [8, 16, 24],
        },
        False,
    ),
}


def config_of(name: str) -> PreTrainedConfig:
    """The configuration of a published size, or of a model in a folder.

    Raises:
        UsageError: it is neither.
    """
    if Path(name, "config.json").is_file():
        try:
            return AutoConfig.from_pretrained(name)
        except (OSError, ValueError) as error:
            raise UsageError(f"{name}/config.json describes no model: {error}") from error
    if name not in PUBLISHED:
        raise UsageError(f"{unknown_name('model size', name, PUBLISHED)}, or a model's folder")
    kind, text, vision, tied = PUBLISHED[name]
    # The text model has a word of its own in the matter of tied weights; both are told the same.
    return AutoConfig.for_model(
        kind,
        text_config={**text, "tie_word_embeddings": tied},
        vision_config=vision,
        tie_word_embeddings=tied,
    )


def skeleton(name: str) -> Any:
    """The model in its real size on the `meta` device.

    Raises:
        UsageError: as `config_of`, or it is of a family whose parts are not known.
    """
    config = config_of(name)
    known = sorted({kind for kind, *_ in PUBLISHED.values()})
    if config.model_type not in known:
        raise UsageError(f"{name} is {config.model_type}; plans are made of {', '.join(known)}")
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config)
