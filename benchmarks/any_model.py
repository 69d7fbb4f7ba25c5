"""Any model of the installed transformers that takes videos, built tiny from its registry.

The classes are the registry's. Sizes are found by their names in the configuration, special tokens
in the source of the processor, and the chat template is the smallest that there is; of a type
nothing is written here but what cannot be found so (`OWN`).

    types    those with a model for images and text and a video processor
    build    a folder with a model and its processor, as `from_pretrained` reads it

Weights are wider than before a training, so that a model says something else whenever it is shown
something else, and what leaks from one completion to another shows.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, WhisperFeatureExtractor
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES
from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING_NAMES

PATCH, SIDE = 14, 56
"""Sides of a patch and of a frame, in pixels."""
_GRID = SIDE // PATCH
_SIZES: dict[int, str] = {
    64: "hidden_size embed_dim out_hidden_size projector_hidden_size projection_dim adapter_in_dim "
    "adapter_out_dim encoder_hidden_size vision_hidden_size text_hidden_size word_embed_proj_dim "
    "moe_hidden_size projection_hidden_size ple_embed_dim mm_embed_dim output_proj_dims",
    128: "intermediate_size ffn_dim dense_intermediate_size shared_intermediate_size "
    "moe_intermediate_size shared_expert_intermediate_size shared_experts_intermediate_size "
    "moe_shared_expert_intermediate_size projection_intermediate_size",
    32: "kv_lora_rank q_lora_rank hc_lowrank",
    16: "head_dim linear_key_head_dim linear_value_head_dim linear_head_dim v_head_dim "
    "qk_nope_head_dim qk_rope_head_dim index_head_dim ssm_state_size mamba_head_dim "
    "global_head_dim hidden_size_per_layer_input num_position_embeddings num_patches rotary_dim",
    8: "mamba_num_heads",
    4: "num_attention_heads num_heads linear_num_heads linear_num_value_heads n_routed_experts "
    "num_experts num_local_experts moe_num_experts num_query_tokens image_seq_length "
    "pos_emb_height pos_emb_width",
    2: "num_hidden_layers depth num_key_value_heads linear_num_key_heads n_groups index_n_heads "
    "num_experts_per_tok moe_k merge_size spatial_merge_size num_global_key_value_heads",
    1: "n_group topk_group first_k_dense_replace num_key_value_groups",
    PATCH: "patch_size",
    SIDE: "image_size max_img_size window_size",
    4096: "max_position_embeddings",
}
SIZES = {name: size for size, names in _SIZES.items() for name in names.split()}
_TIMES = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]}
OWN: dict[str, dict[str, Any]] = {
    "cohere_compass": {
        "text_config": {"rope_parameters": {"sliding_attention": _TIMES, "full_attention": _TIMES}}
    },
    "dots3_note": {
        "text_config": {"num_key_value_heads": 4},
        "audio_config": {"adapter_input_size": 64, "num_key_value_heads": 4},
    },
    "ernie4_5_vl_moe": {"text_config": {"rope_parameters": {**_TIMES, "mrope_section": [3, 3, 2]}}},
    "glm5_next": {
        "text_config": {
            "num_key_value_heads": 4,
            "qk_rope_head_dim": 0,
            "head_dim": 0,
            "qk_head_dim": 16,
        }
    },
    "molmo2": {"adapter_config": {"vision_feature_layer": [1, 0]}},
    **{key: {"text_config": {"rope_parameters": _TIMES}} for key in ("glm4v", "glm46v", "glmga")},
    "muse_glimmer": {"out_hidden_size": 256},
    "muse_spark": {"out_hidden_size": 256, "audio_config": {"hidden_sizes": [8, 8, 8, 8]}},
    "qwen2_vl": {"text_config": {"rope_parameters": _TIMES}},
    "qwen2_5_vl": {"text_config": {"rope_parameters": _TIMES}},
    "qwen4_exp": {
        "text_config": {
            "indexer_n_heads": 2,
            "indexer_kv_heads": 1,
            "indexer_head_dim": 16,
            "indexer_budget": 64,
            "indexer_compress_ratio": 4,
        }
    },
}
"""By type, keys of the configuration whose sizes do not follow from their names."""
_DERIVED = ("per_layer_config", "transformers_version", "architectures", "id2label", "label2id")
_CHAT = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_TEMPLATE = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.content is string -%}{{- message.content -}}
{%- else -%}
{%- for part in message.content -%}
{{- {'image': 'IMAGE', 'video': 'VIDEO'}.get(part.type) or part.text -}}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""


def types() -> dict[str, str]:
    """Types of models with the name of their class, in the order of the registry."""
    return {
        kind: model
        for kind, model in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.items()
        if kind in VIDEO_PROCESSOR_MAPPING_NAMES
    }


def build(folder: Path, kind: str, texts: Iterable[str], **changes: Any) -> None:
    """Save a tiny model of a type with its processor.

    Args:
        folder: where to.
        kind: in `types()`.
        texts: what the tokenizer's merges are learned from.
        **changes: to the configuration, such as `text_config={"model_type": "llama"}`.
    """
    reader = processor_class(kind)
    words = tokenizer(texts, reader)
    made = processor(kind, reader, words, config(kind, words, changes))
    # Its own tokens are known only once it is built.
    settings = config(kind, words, changes, made)
    torch.manual_seed(0)
    model = getattr(transformers, types()[kind])(settings)
    widen(model)
    made.save_pretrained(folder)
    model.save_pretrained(folder)


def processor_class(kind: str) -> Any:
    """That of a type, or of another with the same model or video processor if it has none."""
    names = PROCESSOR_MAPPING_NAMES
    if names.get(kind) is None:
        alike = [other for other, model in types().items() if model == types()[kind]]
        found = next((names[other] for other in alike if names.get(other)), None)
        video = next(iter(VIDEO_PROCESSOR_MAPPING_NAMES[kind].values()))
        return getattr(transformers, found or video.replace("VideoProcessor", "Processor"))
    return getattr(transformers, names[kind])


def tokenizer(texts: Iterable[str], reader: Any) -> PreTrainedTokenizerFast:
    """Byte-level BPE with the special tokens that a processor's source names."""
    source = inspect.getsource(sys.modules[reader.__module__])
    literal = re.findall(r"""["'](<[^\s"'{}<>]{1,40}>|\[[A-Z_]{3,}\]|\]<\][^"']+)["']""", source)
    asked = set(re.findall(r"tokenizer\.(\w+_token)(?:_id)?\b", source))
    asked |= set(re.findall(r"""getattr\(tokenizer, "(\w+_token)(?:_id)?\"""", source))
    own = asked - {"eos_token", "bos_token", "pad_token", "unk_token", "add_bos_token"}
    named = {name: _own_token(name, source) for name in sorted(own)}
    marks = ["<|vision_start|>", "<|vision_end|>", "<|video|>"]
    specials = list(dict.fromkeys([*_CHAT, *marks, *named.values(), *literal]))
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512 + len(specials),
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        model_max_length=4096,
        extra_special_tokens=named,
    )


def _own_token(name: str, source: str) -> str:
    """What a processor calls a token that it asks its tokenizer for; a name of ours if nothing."""
    found = re.search(rf"""self\.{name}\b[^\n]*?["'](<[^"']+>)["']""", source)
    found = found or re.search(rf"""\b{name}="(<[^"]+>)\"""", source)
    return found[1] if found else f"<|{name.removesuffix('_token')}|>"


def config(kind: str, words: Any, changes: Mapping[str, Any], made: Any = None) -> Any:
    """A configuration with everything small and the ids of the tokenizer and the processor."""
    cls = CONFIG_MAPPING[kind]
    given = cls().to_dict()
    if given.get("vision_config", {}) is None:
        given["vision_config"] = cls.sub_configs["vision_config"]().to_dict()
    whole = _small(given, words, made)
    for name, value in {**OWN.get(kind, {}), **changes}.items():
        if isinstance(value, dict):
            whole[name] = {**(whole.get(name) or {}), **value}
        else:
            whole[name] = value
    return CONFIG_MAPPING[kind](**whole)


def _small(given: dict[str, Any], words: Any, made_by: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    layers = given.get("num_hidden_layers")
    lists = [k for k, v in given.items() if isinstance(v, list) and layers and len(v) == layers]
    combinations = list(zip(*(map(str, given[k]) for k in lists), strict=True))
    chosen = sorted(
        {combination: i for i, combination in reversed(list(enumerate(combinations)))}.values()
    )
    if len(chosen) == 1:
        chosen = [0, 1]
    for name, value in given.items():
        if name in _DERIVED:
            continue
        if isinstance(value, dict):
            made[name] = _small(value, words, made_by)
        elif name == "mrope_section":
            made[name] = [2, 3, 3]  # time, height, width; together half of a head
        elif name in lists:
            made[name] = [value[i] for i in chosen]
        elif name == "num_hidden_layers" and lists:
            made[name] = len(chosen)
        elif name == "vocab_size":
            made[name] = len(words)
        elif (number := _token_id(name, words, made_by)) is not None:
            made[name] = number
        elif name in SIZES and value is not None:
            size = SIZES[name]
            made[name] = [size] * len(value) if isinstance(value, list) else size
        else:
            made[name] = value
    return made


def _token_id(name: str, words: Any, made_by: Any) -> int | None:
    """The id that a key such as `video_token_id` or `image_token_index` stands for."""
    if (
        not (found := re.fullmatch(r"(\w+?)(_token)?_(id|index)", name))
        or name == "insert_layer_id"
    ):
        return None
    stem = found[1]
    if stem in ("eos", "pad", "bos", "_pad"):
        return int(words.eos_token_id if stem == "eos" else words.pad_token_id)
    for holder in (made_by, words):
        if isinstance(number := getattr(holder, f"{stem}_token_id", None), int):
            return int(number)
        if isinstance(token := getattr(holder, f"{stem}_token", None), str):
            return int(words.convert_tokens_to_ids(token))
    parts = set(stem.split("_"))
    alike = [t for t in words.get_added_vocab() if parts <= set(re.findall("[a-z]+", t.lower()))]
    return int(words.convert_tokens_to_ids(min(alike, key=len))) if alike else None


def processor(kind: str, reader: Any, words: Any, settings: Any) -> Any:
    """A type's processor with the smallest chat template."""
    wanted = inspect.signature(reader.__init__).parameters
    values: dict[str, Any] = {
        "tokenizer": words,
        "qformer_tokenizer": words,
        "num_image_tokens": _GRID**2,
        "image_seq_len": 4,
        "image_seq_length": 4,
        "patch_size": PATCH,
        "num_query_tokens": 4,
        "vision_feature_select_strategy": getattr(settings, "vision_feature_select_strategy", None),
    }
    for name, mapping in (
        ("image_processor", IMAGE_PROCESSOR_MAPPING_NAMES),
        ("video_processor", VIDEO_PROCESSOR_MAPPING_NAMES),
    ):
        if name in wanted:
            values[name] = _reader(_registered(kind, mapping), settings)
    if "feature_extractor" in wanted:
        values["feature_extractor"] = _listener(reader)
    made = reader(**{key: value for key, value in values.items() if key in wanted})
    image, video = (str(getattr(made, f"{m}_token", f"<{m}>")) for m in ("image", "video"))
    made.chat_template = _TEMPLATE.replace("IMAGE", _mark(image, words)).replace(
        "VIDEO", _mark(video, words)
    )
    return made


def _registered(kind: str, mapping: Mapping[str, Any]) -> Any:
    """The class of a type in a registry, or of another type with the same video processor."""
    mine = VIDEO_PROCESSOR_MAPPING_NAMES[kind]
    alike = (k for k in types() if k in mapping and VIDEO_PROCESSOR_MAPPING_NAMES[k] == mine)
    found = mapping[kind if kind in mapping else next(alike)]
    return getattr(transformers, next(iter(found.values())))


def _mark(token: str, words: Any) -> str:
    """What a template writes for a medium; some models look for what stands around its token."""
    around = {"<|video|>": ("<|begin_of_video|>", "<|end_of_video|>")}.get(token, ())
    known = bool(around) and set(around) <= set(words.get_added_vocab())
    return token.join(around) if known else token


def _listener(reader: Any) -> Any:
    module = sys.modules[reader.__module__].__name__.rpartition(".")[0]
    names = [n for n in dir(sys.modules[module]) if n.endswith("FeatureExtractor")]
    # Nothing is listened to here: any will do where a type has none of its own.
    return getattr(sys.modules[module], names[0])() if names else WhisperFeatureExtractor()


def _reader(cls: Any, settings: Any) -> Any:
    """An image or video processor for frames of our size."""
    found: dict[str, Any] = {}
    vision = settings.vision_config if hasattr(settings, "vision_config") else None
    for name in (
        "patch_size",
        "merge_size",
        "temporal_patch_size",
        "crop_size",
        "size",
        "image_size",
        "max_image_size",
    ):
        old = getattr(cls, name, None)
        if old is None:
            continue
        if name in ("size", "crop_size", "max_image_size"):
            keys = dict(old)
            found[name] = dict.fromkeys(keys, SIDE)
            if set(keys) == {"shortest_edge", "longest_edge"}:
                found[name] = {"shortest_edge": 28 * 28, "longest_edge": 1 << 24}
        elif name in ("patch_size", "image_size"):
            found[name] = SIZES[name]
        elif (own := getattr(vision, name, None)) is not None:
            found[name] = own
    for name, value in {"norm_mean": [0.5] * 3, "norm_std": [0.5] * 3}.items():
        if getattr(cls, name, value) is None:  # its own are in its checkpoints only
            found[name] = value
    if hasattr(cls, "draw_on_frames"):
        found["draw_on_frames"] = False  # it needs a font from elsewhere
    return cls(**found)


def widen(model: Any, gain: float = 1.5) -> None:
    """Draw matrices anew, wider: what a layer writes is then as large as what it reads."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() < 2 or not weight.is_floating_point():
                continue
            fan = weight[0].numel() if weight.dim() != 3 else weight.shape[-1]
            std = 1.0 if "embed" in name else gain / max(1, fan) ** 0.5
            weight.copy_(torch.randn(weight.shape, generator=random) * std)
