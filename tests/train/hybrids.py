"""Tiny models whose decoders are not plain softmax attention, or have experts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from kuleshov.train import tiny

_TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 4096,
    "initializer_range": 0.2,  # so wide that a leak shows
}
_LINEAR: dict[str, Any] = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "layer_types": ["linear_attention", "full_attention"],
}
_EXPERTS: dict[str, Any] = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
}
_MROPE = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]}
_TOWER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "depth": 1,
    "num_heads": 2,
    "patch_size": tiny.PATCH,
    "out_hidden_size": 64,
    "num_position_embeddings": 64,
    "deepstack_visual_indexes": [0],
    "initializer_range": 0.2,
}
_TILES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "patch_size": tiny.PATCH,
    "image_size": tiny.TILE,
    "initializer_range": 0.2,
}
HYBRIDS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "qwen3_5": (
        "qwen3_5",
        "qwen3_vl",
        {**_TEXT, **_LINEAR, "rope_parameters": {**_MROPE, "partial_rotary_factor": 1.0}},
        _TOWER,
    ),
    "qwen3_5_moe": (
        "qwen3_5_moe",
        "qwen3_vl",
        {
            **_TEXT,
            **_LINEAR,
            **_EXPERTS,
            "rope_parameters": {**_MROPE, "partial_rotary_factor": 1.0},
        },
        _TOWER,
    ),
    "qwen3_vl_moe": (
        "qwen3_vl_moe",
        "qwen3_vl",
        {**_TEXT, **_EXPERTS, "rope_parameters": _MROPE},
        _TOWER,
    ),
    "internvl_gpt_oss": (
        "internvl",
        "internvl",
        {
            **_TEXT,
            "model_type": "gpt_oss",
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        _TILES,
    ),
}
"""By name: model type, family of its processor, decoder and tower."""


def build(folder: Path, texts: Iterable[str], name: str) -> tuple[Any, Any]:
    """(model, processor), saved in a folder."""
    kind, family, text, vision = HYBRIDS[name]
    words = tiny.tokenizer(texts, family)
    # The ids of special tokens are those of the family whose processor it has.
    known, _ = tiny.config(words, family, *tiny._SIZES[family])
    ids = {key: getattr(known, key) for key in vars(known) if key.endswith("token_id")}
    language = {
        "vocab_size": len(words),
        "bos_token_id": None,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
        **text,
    }
    extra = {"image_seq_length": known.image_seq_length} if family == "internvl" else {}
    config = AutoConfig.for_model(kind, text_config=language, vision_config=vision, **ids, **extra)
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config).eval()
    reader = tiny.processor(words, family)
    model.generation_config.eos_token_id = words.eos_token_id
    reader.save_pretrained(folder)
    model.save_pretrained(folder)
    return model, reader
