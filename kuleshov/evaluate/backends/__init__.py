"""The models that can be asked, by how they are run: one protocol, see backend.py.

transformers   any Hugging Face Video LLM, in this process
vllm           the same, with vLLM offline
openai         whatever answers at an address as OpenAI's chat completions do

The first two need the extra `train`, the last one `endpoint`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kuleshov.evaluate.backends.backend import Backend, Refusal, Reply, Request

if TYPE_CHECKING:
    from kuleshov.evaluate.config import EvalConfig

__all__ = ["BACKENDS", "Backend", "Refusal", "Reply", "Request"]


def _transformers(model: str, config: EvalConfig) -> Backend:
    from kuleshov.evaluate.backends.transformers import Transformers

    return Transformers(model, config)


def _vllm(model: str, config: EvalConfig) -> Backend:
    from kuleshov.evaluate.backends.vllm import VLLM

    return VLLM(model, config)


def _openai(model: str, config: EvalConfig) -> Backend:
    from kuleshov.evaluate.backends.openai import OpenAI

    return OpenAI(config.endpoint or "", config.model_name or model, config)


BACKENDS: dict[str, Callable[[str, EvalConfig], Backend]] = {
    "transformers": _transformers,
    "vllm": _vllm,
    "openai": _openai,
}
"""`BACKENDS[name](model, config)`; each imports what it needs when it is called."""
