"""How completions are drawn from a model: one set of settings, for rollouts and for evaluation.

A checkpoint brings settings of its own (`generation_config.json`: repetition_penalty, top_k, min_p,
no_repeat_ngram_size, ...), and transformers, vLLM and most servers put into force what they are not
told otherwise. None of them counts here: what is not set below is the model's own distribution, in
rollouts as in evaluation. Imports no torch; `train/generation.py` is the part that does.

    transformers   its own settings off for as long as it generates, ours given
    vLLM           all of ours given
    an endpoint    all of ours sent; of those that OpenAI's protocol does not know it may refuse
                   some, which are then left to it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kuleshov.errors import UsageError

POSITIONS = ("installed", "largest_plus_one")
"""At which positions tokens behind a video stand, see `train/positions.py`."""
OPENAI = frozenset({"temperature", "top_p"})
"""The sampling settings of OpenAI's own protocol."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What of a model's distribution tokens are drawn from, beside the temperature.

    The defaults are all of it, as it is: what the loss of GRPO takes completions to be drawn from.
    Settings that a checkpoint brings (generation_config.json) are never in force.

    Args:
        top_p: only the likeliest tokens that have so much probability together; 1 for all.
        top_k: only so many of the likeliest tokens; 0 for all.
        min_p: only tokens with at least this share of the likeliest one's probability; 0 for all.
        repetition_penalty: by how much tokens that were there already, in the prompt or the
            completion, are made less likely; 1 for not. Acts on greedy answers too.
    """

    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        for key, ok, allowed in [
            ("top_p", 0 < self.top_p <= 1, "above 0, to 1"),
            ("top_k", self.top_k >= 0, "0 or more"),
            ("min_p", 0 <= self.min_p <= 1, "0 to 1"),
            ("repetition_penalty", self.repetition_penalty > 0, "above 0"),
        ]:
            if not ok:
                raise UsageError(f"sampling: {key} is {getattr(self, key)}; allowed: {allowed}")

    def named(self, temperature: float) -> dict[str, Any]:
        """All of it with the temperature, as it is written down."""
        return {"temperature": temperature, **asdict(self)}

    def trl(self) -> dict[str, Any]:
        """As arguments of `trl.GRPOConfig`, which has the temperature by itself."""
        return {**asdict(self), "min_p": self.min_p or None}

    def transformers(self, temperature: float) -> dict[str, Any]:
        """As arguments of transformers' `generate`; temperature 0 is greedy."""
        if not temperature:
            return {"do_sample": False, "repetition_penalty": self.repetition_penalty}
        return {"do_sample": True, "temperature": temperature, **self.trl()}

    def vllm(self, temperature: float) -> dict[str, Any]:
        """As arguments of vLLM's `SamplingParams`."""
        return self.named(temperature)

    def openai(self) -> dict[str, Any]:
        """As keys of a request for a chat completion, the temperature beside them.

        Those that are not in `OPENAI` are of vLLM, SGLang and others; -1 is their "all tokens".
        """
        return {**asdict(self), "top_k": self.top_k or -1}

    def sent(self, body: Mapping[str, Any]) -> dict[str, float | None]:
        """What a request for a chat completion says of the sampling, as `named` has it; None for
        what it leaves to the endpoint.
        """
        told = {key: body.get(key) for key in self.named(0)}
        return {**told, "top_k": 0} if told["top_k"] == -1 else told
