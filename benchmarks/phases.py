"""Where the time of a GRPO step goes: a trainer with a stopwatch on it, stock TRL's or ours.

    preparing inputs  preprocessing   the processor
                      tower           the vision tower
                      prefill         of generation: forward passes of more than one token
                      tokens          of generation: the rest
                      reference       log-probabilities of the reference model
    loss                              policy log-probabilities and backward

A phase holds the runs of the tower in it. On a CPU, seconds are those of all threads of the
process, so that other processes do not count; on a GPU those of the clock, after waiting for it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import TrainerCallback


class Stopwatch:
    """Seconds by name, of the stretches of a program; they may lie within each other."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.within: list[str] = []
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.start(name)
        try:
            yield
        finally:
            self.stop()

    def start(self, name: str) -> None:
        self.within.append(name)
        self.seconds[name] -= self._now()

    def stop(self) -> None:
        self.seconds[self.within.pop()] += self._now()

    def _now(self) -> float:
        if self.device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()


def time_phases(trainer: Any, clock: Stopwatch, written: list[list[int]]) -> None:
    """Put the stopwatch on a trainer.

    Args:
        trainer: `VideoGRPOTrainer` or `StockTrainer`.
        clock: what counts the seconds of "step", "preparing", "preprocessing", "tower",
            "generation", "prefill" and "reference".
        written: completions that take the place of those that are generated, so that all sides
            train on the same ones.
    """

    def timed(holder: Any, method: str, name: str) -> Callable[..., Any]:
        run = getattr(holder, method)

        def measured(*args: Any, **kwargs: Any) -> Any:
            with clock(name):
                return run(*args, **kwargs)

        setattr(holder, method, measured)
        return measured

    timed(trainer, "_prepare_inputs", "preparing")
    timed(trainer, "encoder", "preprocessing")
    generated = timed(trainer, "_generate_single_turn", "generation")
    trainer._generate_single_turn = lambda *args, **kwargs: (written, generated(*args, **kwargs)[1])
    scored = trainer._get_per_token_logps_and_entropies

    def logps(model: Any, *args: Any, **kwargs: Any) -> Any:
        if torch.is_grad_enabled():
            found = scored(model, *args, **kwargs)
            trainer.scored = found[0].detach()  # for the comparison of the sides
            return found
        with clock("reference"):
            return scored(model, *args, **kwargs)

    trainer._get_per_token_logps_and_entropies = logps
    for model in (trainer.model, trainer.ref_model):
        _time_model(model, clock)
    trainer.add_callback(_Steps(clock))


def _time_model(model: Any, clock: Stopwatch) -> None:
    backbone = model.base_model

    def before(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        told = kwargs.get("input_ids")
        several = (kwargs["inputs_embeds"] if told is None else told).size(1) > 1
        clock.start("prefill" if several and "generation" in clock.within else "forward")

    backbone.register_forward_pre_hook(before, with_kwargs=True)
    backbone.register_forward_hook(lambda *_: clock.stop())

    def tower(*_: Any) -> None:
        clock.start("prefill tower" if clock.within[-1] == "generation" else "tower")

    backbone.visual.register_forward_pre_hook(tower)
    backbone.visual.register_forward_hook(lambda *_: clock.stop())


class _Steps(TrainerCallback):  # type: ignore[misc]  # transformers has no type information
    """Steps from their begin to their end, the optimizer's included."""

    def __init__(self, clock: Stopwatch) -> None:
        self.clock = clock

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self.clock.seconds.clear()  # the last step counts; those before it warm up
        self.clock.start("step")

    def on_pre_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self.clock.start("optimizer")

    def on_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self.clock.stop()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.clock.stop()


def phases(seconds: dict[str, float]) -> dict[str, float]:
    """Seconds of each phase of a step.

    Args:
        seconds: as a stopwatch of `time_phases` counted them.

    Returns:
        "preprocessing", "tower", "train" (prefill, reference, policy and backward), "tokens" and
        "step".
    """
    prefill = seconds["prefill"] + seconds["prefill tower"]
    loss = seconds["step"] - seconds["preparing"] - seconds["optimizer"]
    return {
        "preprocessing": seconds["preprocessing"],
        "tower": seconds["tower"] + seconds["prefill tower"],
        "train": prefill + seconds["reference"] + loss,
        "tokens": seconds["generation"] - prefill,
        "step": seconds["step"],
    }
