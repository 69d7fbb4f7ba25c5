"""Models of the training benchmark, with random weights: a small one, and those of real sizes.

The small one is for a CPU. As in real ones its language model dominates: the matrices of the vision
tower have about a third of the work of those of the language model on a prompt (Qwen2.5-VL-3B 0.9,
-7B 0.4, Qwen3-VL-8B 0.3).
"""

from __future__ import annotations

from typing import Any

from kuleshov.errors import unknown_name
from kuleshov.train import tiny
from kuleshov.train.sizes import PUBLISHED

SIZES = ("small", "3b", "7b")
_ROPE = {"rope_type": "default", "rope_theta": 1e6}
_TEXT: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_hidden_layers": 2,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
}
_VISION = {"patch_size": tiny.PATCH, "hidden_size": 128, "depth": 4, "num_heads": 4}
# By family: the language model and the vision tower, as their config classes name them.
_SMALL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "qwen2_5_vl": (
        {**_TEXT, "rope_parameters": {**_ROPE, "mrope_section": [8, 12, 12]}},
        {
            **_VISION,
            "intermediate_size": 352,
            "out_hidden_size": 768,
            "fullatt_block_indexes": [3],
            "tokens_per_second": 2,
        },
    ),
    "qwen3_vl": (
        {**_TEXT, "head_dim": 64, "rope_parameters": {**_ROPE, "mrope_section": [12, 10, 10]}},
        {
            **_VISION,
            "intermediate_size": 512,
            "out_hidden_size": 768,
            "num_position_embeddings": 324,
            "deepstack_visual_indexes": [1],
        },
    ),
}
_REAL = {
    ("3b", "qwen2_5_vl"): "Qwen/Qwen2.5-VL-3B-Instruct",
    ("3b", "qwen3_vl"): "Qwen/Qwen3-VL-4B-Instruct",
    ("7b", "qwen2_5_vl"): "Qwen/Qwen2.5-VL-7B-Instruct",
    ("7b", "qwen3_vl"): "Qwen/Qwen3-VL-8B-Instruct",
}


def shape(words: Any, family: str, size: str) -> tuple[Any, Any]:
    """(config, model class) of a family in a size.

    Args:
        words: the tokenizer, whose ids the config needs.
        family: one of `kuleshov.train.tiny.FAMILIES` that is listed here.
        size: one of `SIZES`.

    Raises:
        UsageError: another family or size.
    """
    shapes = {("small", name): (*both, True) for name, both in _SMALL.items()}
    shapes |= {key: PUBLISHED[name][1:] for key, name in _REAL.items()}
    if (size, family) not in shapes:
        known = [f"{family} {size}" for size, family in shapes]
        raise unknown_name("family and size", f"{family} {size}", known)
    text, vision, tied = shapes[size, family]
    config, model = tiny.config(words, family, {**text, "tie_word_embeddings": tied}, vision)
    config.tie_word_embeddings = tied
    return config, model
