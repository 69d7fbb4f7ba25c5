"""Training that teaches nothing is told of, or stopped.

    no answer      no completion of any step held an answer of its task's form
    no variance    in no step did the rewards of any group differ, so nothing says what is better
    no gradient    its norm was 0 in every step: the model is the one that it began with

Each counts from the first step on; one step with a signal, and it is not said again. What is said
stands in the log, at the tenth step and at the end, and in the model card.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, final

from transformers import TrainerCallback

from kuleshov.errors import IdleError

FIRST = 10
"""Steps after which it is said for the first time; ours."""


class Sign(NamedTuple):
    """What is logged where nothing is learned.

    Args:
        key: of the log.
        value: that it then has.
        text: what it means.
        way_out: what to do.
    """

    key: str
    value: float
    text: str
    way_out: str


SIGNS = (
    Sign(
        "parse_failures",
        1.0,
        "no completion held an answer",
        "Read completions.jsonl: if they are cut, raise train.grpo.max_completion_tokens; if they "
        "have another form, begin with a cold start (train.sft.steps) or take a model that follows "
        "instructions",
    ),
    Sign(
        "frac_reward_zero_std",
        1.0,
        "the rewards of no group differed",
        "Read completions.jsonl: raise train.grpo.temperature or group_size, make easier or harder "
        "samples, or begin with a cold start (train.sft.steps)",
    ),
    Sign(
        "grad_norm",
        0.0,
        "the gradient was 0, so the model is the one that it began with",
        "Look at what is frozen, at train.lora.targets and at the loss",
    ),
)


def signs(logs: Iterable[Mapping[str, Any]]) -> list[Sign]:
    """Those that all steps have that log them.

    Args:
        logs: of one phase, all steps from the first one on.
    """
    some = list(logs)
    values = {sign.key: [log[sign.key] for log in some if sign.key in log] for sign in SIGNS}
    return [
        sign
        for sign in SIGNS
        if values[sign.key] and all(value == sign.value for value in values[sign.key])
    ]


@final
class Idle(TrainerCallback):  # type: ignore[misc]  # transformers has no type information
    """Warns of training that teaches nothing, and stops it if it is to.

    Args:
        what: what people call the phase.
        steps: from the first one on without a signal, after which an `IdleError` is raised; 0 to
            warn only.
    """

    def __init__(self, what: str, steps: int) -> None:
        self.what, self.steps = what, steps
        self._told: int | None = None  # at which step

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if not logs or "train_runtime" in logs:
            return
        if self.steps and state.global_step >= self.steps:
            if text := self._said(state):
                raise IdleError(
                    f"{text} (train.idle_steps is {self.steps}). What was saved before is kept"
                )
        elif state.global_step >= FIRST and self._told is None:
            self._tell(state)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._told != state.global_step:
            self._tell(state)

    def _tell(self, state: Any) -> None:
        self._told = state.global_step
        if state.is_world_process_zero and (text := self._said(state)):
            logging.getLogger(__name__).warning(text)

    def _said(self, state: Any) -> str | None:
        found = signs(state.log_history)
        if not found:
            return None
        what = ", and ".join(sign.text for sign in found)
        steps = f"{state.global_step} steps" if state.global_step > 1 else "one step"
        return (
            f"{self.what} has learned nothing so far: in all of {steps} {what}. {found[0].way_out}"
        )
