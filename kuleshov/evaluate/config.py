"""The `eval` section of a recipe. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from kuleshov.controls import CONTROLS
from kuleshov.errors import UsageError, unknown_name


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """The `eval` section of a recipe.

    Args:
        split: "held_out", or "train" to see what was learned by heart.
        conditions: "full" and controls (controls.py): what the model is tested without.
        batch_size: prompts for each call of `generate`.
        max_completion_tokens: where a completion is cut.
        temperature: 0 takes the likeliest token each time (greedy); 1 samples from the model's
            own distribution, whose mean reward is what GRPO raises.
        seed: of the sampling.
    """

    split: str = "held_out"
    conditions: tuple[str, ...] = ("full", "blind")
    batch_size: int = 16
    max_completion_tokens: int = 128
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for condition in self.conditions:
            if condition not in ("full", *CONTROLS):
                raise unknown_name("condition", condition, ["full", *CONTROLS])
        if self.batch_size < 1 or self.max_completion_tokens < 1:
            raise UsageError("eval: batch_size and max_completion_tokens must be 1 or more")
        if self.temperature < 0:
            raise UsageError(f"eval: temperature is {self.temperature}; allowed: 0 or more")
