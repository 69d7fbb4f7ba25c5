"""Training that has gone wrong is stopped, and not trained on.

    before a step   a gradient that is not finite       raise; the weights are as they were
    after a step    a loss that is not finite           raise, before a checkpoint is written
                    |loss| or the gradient's norm far
                    too large, several steps in a row   raise, likewise

Works with every trainer of transformers and TRL. transformers by itself hides a loss that is no
number: it logs the mean of those before it (`logging_nan_inf_filter`), and goes on.

The limits are our own choice: cross-entropy starts at ln(vocabulary), about 12, the losses of GRPO
and DPO are around 1, and gradient norms of healthy runs stay below 100. One large step happens in
healthy runs too, and the gradient is clipped; several in a row do not end well.
"""

from __future__ import annotations

import math
from typing import Any, final

import torch
from transformers import TrainerCallback

from kuleshov.errors import DivergenceError
from kuleshov.train.config import DivergenceSettings

_WAY_OUT = (
    "Lower the learning rate, raise its warmup_steps, or raise beta; if it happens in the first "
    "steps, look at the samples, and load the weights in float32 or bfloat16 instead of float16. "
    "What was saved before is kept"
)


@final
class Divergence(TrainerCallback):  # type: ignore[misc]  # transformers has no type information
    """Raises a `DivergenceError` when training goes wrong.

    Args:
        settings: what is too large, and for how long.
    """

    def __init__(self, settings: DivergenceSettings) -> None:
        self.settings = settings
        self._in_a_row = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        args.logging_nan_inf_filter = False
        self._in_a_row = 0

    def on_pre_optimizer_step(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        if args.fp16:  # there the scaler of float16 finds and leaves out such steps
            return
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        if gradients and not torch.nn.utils.get_total_norm(gradients).isfinite():
            raise DivergenceError(
                f"step {state.global_step + 1}: the gradient is not finite; the weights were not "
                f"changed by it. {_WAY_OUT}"
            )

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        seen = {key: float(logs[key]) for key in ("loss", "grad_norm") if key in (logs or {})}
        for key, value in seen.items():
            if not math.isfinite(value):
                raise DivergenceError(f"step {state.global_step}: {key} is {value}. {_WAY_OUT}")
        limits = {"loss": self.settings.loss, "grad_norm": self.settings.grad_norm}
        large = [f"{key} = {value:.3g}" for key, value in seen.items() if abs(value) > limits[key]]
        if seen:
            self._in_a_row = self._in_a_row + 1 if large else 0
        if self._in_a_row >= self.settings.steps:
            raise DivergenceError(
                f"step {state.global_step}: training explodes: {' and '.join(large)}, and too "
                f"large for {self._in_a_row} logged steps in a row; allowed: |loss| up to "
                f"{limits['loss']:g} and grad_norm up to {limits['grad_norm']:g} "
                f"(train.divergence). {_WAY_OUT}"
            )
