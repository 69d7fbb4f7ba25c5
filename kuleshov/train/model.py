"""A model and its processor, by name or path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
from transformers.utils import cached_file

from kuleshov.errors import UsageError
from kuleshov.train.experts import ask_for_nothing

# What transformers raises on files that are missing, cut, or of another model.
_UNLOADABLE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    ImportError,
    SafetensorError,
)
_TEMPLATE = "chat_template.jinja"


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
        try:
            with torch.device("meta"):
                return AutoModelForImageTextToText.from_config(config)
        except (RuntimeError, NotImplementedError):  # one that computes while it is built
            return AutoModelForImageTextToText.from_config(config)

    return _loaded(model, build)


def attentions(model: Any) -> dict[str, str]:
    """How the parts of a model attend, by their names in its configuration, "" for the whole; {} if
    all of them do so in the same way. As `from_pretrained` takes it.
    """
    parts = {"": model.config, **{n: getattr(model.config, n) for n in model.config.sub_configs}}
    found = {name: str(part._attn_implementation) for name, part in parts.items()}
    return found if len(set(found.values())) > 1 else {}


def dtype_of(model: str) -> torch.dtype:
    """The precision that a model's weights are saved in, so that one made of it is saved alike.

    Args:
        model: name or path of one that can be loaded.
    """
    config = AutoConfig.from_pretrained(model)
    for one in (config, config.get_text_config()):
        if isinstance(dtype := getattr(one, "dtype", None), torch.dtype):
            return dtype
        if isinstance(dtype, str) and isinstance(named := getattr(torch, dtype, None), torch.dtype):
            return named
    return _stored_dtype(model)


def _stored_dtype(model: str) -> torch.dtype:
    """That of the first weight with a fraction, where no configuration says it."""
    folder = Path(cached_file(model, "config.json")).parent
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118  # it is no mapping
                dtype: torch.dtype = weights.get_tensor(name).dtype
                if dtype.is_floating_point:
                    return dtype
    return torch.float32


def _loaded(model: str, load: Callable[[], Any]) -> tuple[Any, Any]:
    try:
        loaded = load()
        processor = AutoProcessor.from_pretrained(model)
    except _UNLOADABLE as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UsageError(
            f"model {model!r} cannot be loaded: {reason}. Give a Hugging Face name of a Video LLM, "
            "or the folder of one"
        ) from error
    check_processor(model, processor)
    ask_for_nothing(loaded)
    return loaded, processor


def _has_template(model: str) -> bool:
    try:
        return cached_file(model, _TEMPLATE) is not None
    except OSError:
        return False


def check_processor(model: str, processor: Any) -> None:
    """Raise unless a processor can write a prompt, fill up a batch and end an answer.

    Args:
        model: whose it is, for the error.
        processor: as `AutoProcessor` loads it.

    Raises:
        UsageError: it cannot, with what to add to its files.
    """
    if getattr(processor, "video_processor", None) is None:
        raise UsageError(f"model {model!r} takes no video; give a Video LLM such as Qwen3-VL")
    for name, use in (("pad", "fill up the shorter prompts of a batch"), ("eos", "end an answer")):
        if getattr(processor.tokenizer, f"{name}_token_id", None) is None:
            raise UsageError(
                f"the tokenizer of model {model!r} has no {name} token to {use} with; set one of "
                f"its tokens as {name}_token in its tokenizer_config.json (processor.tokenizer."
                f"{name}_token = ..., processor.save_pretrained(folder)) and give that folder"
            )
    chat = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "Why?"}]}]
    way_out = (
        f"put the one that belongs to the model into its folder as {_TEMPLATE} "
        "(processor.chat_template = ..., processor.save_pretrained(folder)) and give that folder"
    )
    if not getattr(processor, "chat_template", None):
        if _has_template(model):
            raise UsageError(
                f"the processor of model {model!r} does not take the {_TEMPLATE} in its folder, so "
                "no question can be put to it; take a model whose processor does, such as Qwen3-VL"
            )
        raise UsageError(
            f"model {model!r} has no chat template, so no question can be put to it; {way_out}"
        )
    try:
        text = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    except (ValueError, TypeError, LookupError, TemplateError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"the chat template of model {model!r} fails on a question about a video: {reason}; "
            f"{way_out}"
        ) from error
    if "Why?" not in text:
        raise UsageError(
            f"the chat template of model {model!r} leaves out what is asked; {way_out}"
        )
    if "Why?" not in processor.tokenizer.decode(processor.tokenizer("Why?")["input_ids"]):
        raise UsageError(
            f"the tokenizer of model {model!r} loses what it is given: its files (tokenizer.json) "
            "are missing or of another model; put back those that belong to it"
        )
