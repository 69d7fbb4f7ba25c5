"""The `eval` section of a recipe. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from kuleshov.controls import CONTROLS
from kuleshov.errors import UsageError, unknown_name
from kuleshov.evaluate.address import check_address
from kuleshov.evaluate.backends import BACKENDS
from kuleshov.generation import POSITIONS, Sampling
from kuleshov.left_out import check_share

IMAGES = ("png", "jpeg")


@dataclass(frozen=True, kw_only=True)
class CallConfig:
    """How an endpoint is called. None of these values changes what is asked.

    Args:
        key_variable: the environment variable that holds the key, if it is set. The key itself
            is never written down.
        concurrency: requests that are under way at a time.
        per_minute: requests started in a minute at most, repeated ones too; None for any number.
        timeout_seconds: a request that has no whole answer after so long has failed.
        most_megabytes: an answer that is longer is not read, and stops the run.
        retries: how often a request that failed is sent again before the run stops.
        first_wait_seconds: before it is sent again; doubled each time, and shortened by up to
            a half at random, so that requests which failed together do not come back together.
        longest_wait_seconds: the wait grows no further. An endpoint that asks for a longer one
            (Retry-After) stops the run.
    """

    key_variable: str = "OPENAI_API_KEY"
    concurrency: int = 4
    per_minute: float | None = None
    timeout_seconds: float = 300.0
    most_megabytes: float = 8.0
    retries: int = 5
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 60.0

    def __post_init__(self) -> None:
        for key, ok, allowed in [
            ("concurrency", self.concurrency >= 1, "1 or more"),
            ("per_minute", self.per_minute is None or self.per_minute > 0, "above 0, or null"),
            ("timeout_seconds", 0 < self.timeout_seconds < 1e6, "above 0, below a million"),
            ("most_megabytes", self.most_megabytes > 0, "above 0"),
            ("retries", self.retries >= 0, "0 or more"),
            ("first_wait_seconds", self.first_wait_seconds > 0, "above 0"),
            ("longest_wait_seconds", self.longest_wait_seconds > 0, "above 0"),
        ]:
            if not ok:
                raise UsageError(f"eval.calls: {key} is {getattr(self, key)}; allowed: {allowed}")


@dataclass(frozen=True, kw_only=True)
class JudgeConfig:
    """Who grades answers that rules cannot (judge.py).

    Args:
        endpoint: address of an OpenAI-compatible endpoint.
        model_name: what it calls the judge.
        formerly: see `eval.formerly`.
        calls: how it is called.
    """

    endpoint: str
    model_name: str
    formerly: str | None = None
    calls: CallConfig = CallConfig()

    def __post_init__(self) -> None:
        check_address(self.endpoint, "eval.judge: endpoint")
        if self.formerly is not None:
            check_address(self.formerly, "eval.judge: formerly")


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """The `eval` section of a recipe.

    Args:
        split: "held_out", or "train" to see what was learned by heart.
        conditions: "full" and controls (controls.py): what the model is tested without.
        repeats: how often each question is asked; more than 1 needs a temperature above 0, or
            an endpoint that answers differently each time.
        backend: name in `kuleshov.evaluate.backends.BACKENDS`.
        endpoint: address of an OpenAI-compatible endpoint, such as http://127.0.0.1:8000/v1.
        formerly: the address at which a run was begun, if the same model answers at `endpoint`
            now, as after a restart on another port. What was answered there is kept.
        model_name: what the endpoint calls the model; None for the name it is evaluated under.
        images: how frames are sent to an endpoint: "png" (exact) or "jpeg" (quality 90).
        body: more keys of a request to an endpoint; null takes one away, as in
            {max_tokens: null, max_completion_tokens: 128}.
        calls: how an endpoint is called.
        judge: who grades free text; None where no question needs it.
        batch_size: prompts for each call of `generate`.
        max_completion_tokens: where a completion is cut.
        temperature: 0 takes the likeliest token each time (greedy); 1 samples from the model's
            own distribution, whose mean reward is what GRPO raises.
        sampling: what answers are drawn from beside the temperature: the same settings as those of
            rollouts, with the same defaults. An endpoint that refuses one of them by name is asked
            without it.
        positions: where tokens behind a video stand in time, see `train.positions`. What an
            endpoint does is not known.
        left_out_share: of the samples, which may be left out as their videos cannot be shown or an
            endpoint refuses them; where there are more, the run stops.
        seed: of the sampling.
    """

    split: str = "held_out"
    conditions: tuple[str, ...] = ("full", "blind")
    repeats: int = 1
    backend: str = "transformers"
    endpoint: str | None = None
    formerly: str | None = None
    model_name: str | None = None
    images: str = "png"
    body: dict[str, Any] = field(default_factory=dict)
    calls: CallConfig = CallConfig()
    judge: JudgeConfig | None = None
    batch_size: int = 16
    max_completion_tokens: int = 128
    temperature: float = 0.0
    sampling: Sampling = field(default_factory=Sampling)
    positions: str = "installed"
    left_out_share: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        for condition in self.conditions:
            if condition not in ("full", *CONTROLS):
                raise unknown_name("condition", condition, ["full", *CONTROLS])
        if self.batch_size < 1 or self.max_completion_tokens < 1 or self.repeats < 1:
            raise UsageError(
                "eval: batch_size, max_completion_tokens and repeats must be 1 or more"
            )
        check_share(self.left_out_share, "eval.left_out_share")
        if self.temperature < 0:
            raise UsageError(f"eval: temperature is {self.temperature}; allowed: 0 or more")
        if self.backend not in BACKENDS:
            raise unknown_name("backend", self.backend, BACKENDS)
        if self.positions not in POSITIONS:
            raise unknown_name("eval.positions", self.positions, POSITIONS)
        if self.backend == "openai" and self.positions != POSITIONS[0]:
            raise UsageError(
                f"eval: positions is {self.positions} with backend openai; where an endpoint puts "
                "tokens is up to it. Leave positions out, or use backend transformers"
            )
        if self.images not in IMAGES:
            raise unknown_name("image format in eval.images", self.images, IMAGES)
        if (self.endpoint is not None) != (self.backend == "openai"):
            raise UsageError(
                f"eval: backend is {self.backend} and endpoint is {self.endpoint}; give an "
                "endpoint with backend openai, and only with that"
            )
        if self.endpoint is not None:
            check_address(self.endpoint, "eval: endpoint")
        if self.formerly is not None:
            check_address(self.formerly, "eval: formerly")
        try:
            json.dumps(self.body, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UsageError(f"eval: body is {self.body}; allowed: JSON ({error})") from error
