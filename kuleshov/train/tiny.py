"""A tiny model of a real architecture, built from its config class: no download, any machine.

The classes are those of transformers, the processor and the chat template those of the family;
only the sizes and the tokenizer are ours. It is large enough to learn the pretext tasks on
procedural clips within minutes on two cores, which is what the demo and the tests need.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from kuleshov.errors import unknown_name

FAMILIES = ("qwen2_5_vl", "qwen3_vl")
_SPECIALS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
_SYSTEM = "system\nYou are a helpful assistant. user\nassistant\n seconds>"


def build(
    folder: Path, texts: Iterable[str], family: str = "qwen2_5_vl", seed: int = 0
) -> tuple[Any, Any]:
    """Build a tiny model with random weights, save it with its processor and return both.

    Args:
        folder: where to save, in the layout that `from_pretrained` reads.
        texts: what the tokenizer's few hundred merges are learned from, such as the prompts.
        family: "qwen2_5_vl" or "qwen3_vl".
        seed: of the weights.
    """
    if family not in FAMILIES:
        raise unknown_name("model family", family, FAMILIES)
    tokenizer = _tokenizer(texts)
    processor = _processor(tokenizer, family)
    torch.manual_seed(seed)
    model = _model(tokenizer, family)
    processor.save_pretrained(folder)
    model.save_pretrained(folder)
    return model, processor


def _tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE with 1,024 entries; every digit is a token of its own.

    Merges may span words, so that the fixed sentences of the prompts cost few tokens.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=_SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([_SYSTEM, *texts], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        model_max_length=4096,
    )


def _processor(tokenizer: PreTrainedTokenizerFast, family: str) -> Any:
    # The templates that TRL ships are the families' own.
    template = files("trl").joinpath("chat_templates", f"{family}.jinja").read_text("utf-8")
    # Frames of any size pass through: recipes fix the size.
    size = {"shortest_edge": 28 * 28, "longest_edge": 1 << 24}
    if family == "qwen2_5_vl":
        return Qwen2_5_VLProcessor(
            Qwen2VLImageProcessor(size=size),
            tokenizer,
            Qwen2VLVideoProcessor(size=size, cap_pixels_per_frame=False),
            chat_template=template,
        )
    return Qwen3VLProcessor(
        Qwen2VLImageProcessor(size=size, patch_size=14),
        tokenizer,
        Qwen3VLVideoProcessor(size=size, patch_size=14, cap_pixels_per_frame=False),
        chat_template=template,
    )


def _model(tokenizer: PreTrainedTokenizerFast, family: str) -> Any:
    ids = {
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    }
    text: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 4096,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": True,
    }
    vision: dict[str, Any] = {"depth": 2, "hidden_size": 64, "num_heads": 4, "patch_size": 14}
    if family == "qwen2_5_vl":
        rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 6, 6]}
        config = Qwen2_5_VLConfig(
            text_config={**text, "rope_parameters": rope},
            vision_config={
                **vision,
                "intermediate_size": 128,
                "out_hidden_size": 128,
                "fullatt_block_indexes": [0, 1],
                "tokens_per_second": 4,
            },
            tie_word_embeddings=True,
            **ids,
        )
        return Qwen2_5_VLForConditionalGeneration(config)
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 6, 6]}
    config = Qwen3VLConfig(
        text_config={
            **text,
            "head_dim": 32,
            "rope_parameters": {**rope, "mrope_interleaved": True},
        },
        vision_config={
            **vision,
            "intermediate_size": 128,
            "out_hidden_size": 128,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
        tie_word_embeddings=True,
        **ids,
    )
    return Qwen3VLForConditionalGeneration(config)
