"""Completions are drawn as our settings say, and not as the checkpoint's (see ../generation.py)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import GenerationConfig

# What a model needs to generate at all. All else in its generation_config.json shapes what it says.
_NEEDED = (
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "use_cache",
    "cache_implementation",
    "cache_config",
)


@contextmanager
def plain(model: Any) -> Iterator[None]:
    """Switch a checkpoint's own generation settings off; they are back, and saved, afterwards.

    `generate` puts them in the place of all that its arguments leave open, and some of them, such
    as `no_repeat_ngram_size` or `bad_words_ids`, have no argument that says "none".

    Args:
        model: a transformers model, or a PEFT wrapper of one.
    """
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    own = core.generation_config
    bare = GenerationConfig(**{key: getattr(own, key, None) for key in _NEEDED})
    # Some wrappers have settings of their own, which they hand down.
    holders = {id(one): one for one in (core, model) if "generation_config" in vars(one)}
    kept = [(one, one.generation_config) for one in holders.values()]
    try:
        for one, _ in kept:
            one.generation_config = bare
        yield
    finally:
        for one, before in kept:
            one.generation_config = before


def ends(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end a completion: those of the checkpoint and that of the tokenizer."""
    own = model.generation_config.eos_token_id
    own = [] if own is None else own if isinstance(own, list) else [own]
    return list(dict.fromkeys([*own, tokenizer.eos_token_id]))
