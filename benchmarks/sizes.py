"""Models of the training benchmark, with random weights: a small one, and those of real sizes.

The small one is for a CPU. As in real ones its language model dominates: the matrices of the vision
tower have about a third of the work of those of the language model on a prompt (Qwen2.5-VL-3B 0.9,
-7B 0.4, Qwen3-VL-8B 0.3). "3b" and "7b" are Qwen2.5-VL-3B and -7B, Qwen3-VL-4B and -8B.
"""

from __future__ import annotations

from typing import Any

from kuleshov.errors import unknown_name
from kuleshov.train import tiny

SIZES = ("small", "3b", "7b")
_ROPE = {"rope_type": "default", "rope_theta": 1e6}


def _text(
    hidden: int, inner: int, layers: int, heads: int, keys: int, sections: list[int], tied: bool
) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "rope_parameters": {**_ROPE, "mrope_section": sections},
        "tie_word_embeddings": tied,
    }


def _vision(
    hidden: int, inner: int, depth: int, heads: int, out: int, **more: Any
) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "depth": depth,
        "num_heads": heads,
        "out_hidden_size": out,
        **more,
    }


_LARGE: dict[str, Any] = {"vocab_size": 151_936, "max_position_embeddings": 128_000}
_FULL = {"fullatt_block_indexes": [7, 15, 23, 31], "patch_size": 14, "tokens_per_second": 2}
_WIDE = {"head_dim": 128, **_LARGE}
# By size and family: the language model and the vision tower, as their config classes name them.
_SHAPES: dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any]]] = {
    ("small", "qwen2_5_vl"): (
        _text(768, 2048, 2, 12, 2, [8, 12, 12], True),
        _vision(128, 352, 4, 4, 768, fullatt_block_indexes=[3], tokens_per_second=2),
    ),
    ("small", "qwen3_vl"): (
        {**_text(768, 2048, 2, 12, 2, [12, 10, 10], True), "head_dim": 64},
        _vision(128, 512, 4, 4, 768, num_position_embeddings=324, deepstack_visual_indexes=[1]),
    ),
    ("3b", "qwen2_5_vl"): (
        {**_text(2048, 11_008, 36, 16, 2, [16, 24, 24], True), **_LARGE},
        _vision(1280, 3420, 32, 16, 2048, **_FULL),
    ),
    ("3b", "qwen3_vl"): (
        {**_text(2560, 9728, 36, 32, 8, [24, 20, 20], True), **_WIDE},
        _vision(1024, 4096, 24, 16, 2560, patch_size=16, deepstack_visual_indexes=[5, 11, 17]),
    ),
    ("7b", "qwen2_5_vl"): (
        {**_text(3584, 18_944, 28, 28, 4, [16, 24, 24], False), **_LARGE},
        _vision(1280, 3420, 32, 16, 3584, **_FULL),
    ),
    ("7b", "qwen3_vl"): (
        {**_text(4096, 12_288, 36, 32, 8, [24, 20, 20], False), **_WIDE},
        _vision(1152, 4304, 27, 16, 4096, patch_size=16, deepstack_visual_indexes=[8, 16, 24]),
    ),
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
    if (size, family) not in _SHAPES:
        known = [f"{family} {size}" for size, family in _SHAPES]
        raise unknown_name("family and size", f"{family} {size}", known)
    text, vision = _SHAPES[size, family]
    vision = {"patch_size": tiny.PATCH, **vision}
    config, model = tiny.config(words, family, text, vision)
    config.tie_word_embeddings = text["tie_word_embeddings"]
    return config, model
