"""A tiny model of a real architecture, built from its config class: no download, any machine.

The classes are those of transformers, the processor and the chat template those of the family;
only the sizes and the tokenizer are ours. It is large enough to learn pretext tasks on procedural
clips within minutes on two cores, which is what the demo and the tests need.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GotOcr2ImageProcessor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
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

FAMILIES = ("qwen2_5_vl", "qwen3_vl", "internvl")
PATCH = 14
TILE = 56
"""Side of the only picture that the tiny InternVL takes, in pixels; of the real one 448."""
_CHAT = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
# Tokens by the names that the family's classes have for them.
_QWEN_TOKENS = {
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
}
_TOKENS = {
    "qwen2_5_vl": _QWEN_TOKENS,
    "qwen3_vl": _QWEN_TOKENS,
    "internvl": {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    },
}
# TRL ships none for InternVL. The form is that of the family; the words here are ours.
_INTERNVL_TEMPLATE = """\
{%- set marks = {'image': '<IMG_CONTEXT>\\n', 'video': '<video>\\n'} -%}
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.content is string -%}{{- message.content -}}
{%- else -%}
{%- for part in message.content -%}{{- marks.get(part.type) or part.text -}}{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
# What the chat templates and the time stamps add to the prompts.
_FRAME_TEXTS = ["system\nYou are a helpful assistant.", "user\n", "assistant\n", " seconds>"]
# Wider than usual: with the customary 0.02 so small a network needs a third more steps before it
# starts to order clips (docs/LOG.md).
_INIT = 0.08
_TEXT: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 4096,
    "initializer_range": _INIT,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
}
_QWEN_TEXT: dict[str, Any] = {
    **_TEXT,
    "rope_parameters": {
        **_TEXT["rope_parameters"],
        "mrope_section": [4, 6, 6],  # time, height, width; together half of a head
    },
}
_VISION: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "patch_size": PATCH,
    "initializer_range": _INIT,
}
_QWEN_VISION: dict[str, Any] = {**_VISION, "depth": 2, "num_heads": 4, "out_hidden_size": 128}
_SIZES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "qwen2_5_vl": (
        _QWEN_TEXT,
        {**_QWEN_VISION, "fullatt_block_indexes": [0, 1], "tokens_per_second": 4},
    ),
    "qwen3_vl": (
        {**_QWEN_TEXT, "head_dim": 32},
        {**_QWEN_VISION, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]},
    ),
    # InternVL2.5 and 3 have Qwen2 or InternLM language models; the latter are of Llama's classes.
    "internvl": (
        {**_TEXT, "model_type": "llama"},
        {**_VISION, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": TILE},
    ),
}


def build(
    folder: Path, texts: Iterable[str], family: str = "qwen2_5_vl", seed: int = 0
) -> tuple[Any, Any]:
    """Build a tiny model with random weights, save it with its processor and return both.

    Args:
        folder: where to save, in the layout that `from_pretrained` reads.
        texts: what the tokenizer's few hundred merges are learned from, such as the prompts.
        family: one of `FAMILIES`.
        seed: of the weights.

    Raises:
        UsageError: the family is not one of them.
    """
    if family not in FAMILIES:
        raise unknown_name("model family", family, FAMILIES)
    words = tokenizer(texts, family)
    settings, kind = config(words, family, *_SIZES[family])
    torch.manual_seed(seed)
    model = kind(settings)
    reader = processor(words, family)
    reader.save_pretrained(folder)
    model.save_pretrained(folder)
    return model, reader


def tokenizer(texts: Iterable[str], family: str = "qwen2_5_vl") -> PreTrainedTokenizerFast:
    """Byte-level BPE with at most 1,024 entries; every digit is a token of its own.

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
        special_tokens=[*_CHAT, *_TOKENS[family].values()],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([*_FRAME_TEXTS, *texts], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        model_max_length=4096,
        # Processors ask the tokenizer for these; Qwen's know their own.
        extra_special_tokens=_TOKENS[family] if family == "internvl" else {},
    )


def processor(words: PreTrainedTokenizerFast, family: str, patch_size: int = PATCH) -> Any:
    """The family's processor and chat template around a tokenizer."""
    if family == "internvl":
        size = {"height": TILE, "width": TILE}
        return InternVLProcessor(
            GotOcr2ImageProcessor(size=size),
            words,
            InternVLVideoProcessor(size=size),
            image_seq_length=(TILE // PATCH // 2) ** 2,
            chat_template=_INTERNVL_TEMPLATE,
        )
    # The templates that TRL ships are the families' own.
    template = files("trl").joinpath("chat_templates", f"{family}.jinja").read_text("utf-8")
    kinds: dict[str, tuple[Any, Any]] = {
        "qwen2_5_vl": (Qwen2_5_VLProcessor, Qwen2VLVideoProcessor),
        "qwen3_vl": (Qwen3VLProcessor, Qwen3VLVideoProcessor),
    }
    whole, video = kinds[family]
    shared: dict[str, Any] = {
        # Frames of any size pass through: recipes fix the size.
        "size": {"shortest_edge": 28 * 28, "longest_edge": 1 << 24},
        "patch_size": patch_size,
    }
    return whole(
        Qwen2VLImageProcessor(**shared),
        words,
        video(**shared, cap_pixels_per_frame=False),
        chat_template=template,
    )


def config(
    words: PreTrainedTokenizerFast, family: str, text: dict[str, Any], vision: dict[str, Any]
) -> tuple[Any, Any]:
    """(config, model class) of a family in any size.

    Args:
        words: the tokenizer, whose ids the config needs.
        family: one of `FAMILIES`.
        text: sizes of the language model, as its config class names them.
        vision: sizes of the vision tower, likewise.
    """
    kinds: dict[str, tuple[Any, Any]] = {
        "qwen2_5_vl": (Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration),
        "qwen3_vl": (Qwen3VLConfig, Qwen3VLForConditionalGeneration),
        "internvl": (InternVLConfig, InternVLForConditionalGeneration),
    }
    settings, model = kinds[family]
    ids = {f"{n}_id": words.convert_tokens_to_ids(t) for n, t in _TOKENS[family].items()}
    if family == "internvl":
        # Frames are images to the model; of its tokens it has to know that of images only.
        side = int(vision["image_size"]) // int(vision["patch_size"]) // 2
        ids = {"image_token_id": ids["context_image_token_id"], "image_seq_length": side**2}
    language = {
        "vocab_size": len(words),
        "bos_token_id": None,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
        "tie_word_embeddings": True,
        **text,
    }
    return (
        settings(text_config=language, vision_config=vision, tie_word_embeddings=True, **ids),
        model,
    )
