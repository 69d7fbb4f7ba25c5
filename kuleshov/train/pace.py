"""How fast training is, and how much of its time it waits for data: measured, not estimated.

    tokens_per_second   tokens since the last step that counted any, by the seconds since then
    waiting             share of the seconds since the last step spent fetching and encoding

Tokens are those that TRL counts: each completion with its prompt, over all processes, also where
a prompt is computed once for its group. Waiting is the time of this process (the main one writes
it down) in which it renders and encodes samples, or waits for a worker that does; work of workers
that nobody waits for is none. On a GPU, whose queued work goes on in the meantime, it is an upper
bound of what better loading would save.

Both go through the trainer's own metrics, so they reach everything that its log reaches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, final

from transformers import TrainerCallback

P = ParamSpec("P")
R = TypeVar("R")


@final
class Waiting:
    """Adds up seconds, however its uses are nested.

    >>> waiting = Waiting(iter([1.0, 3.5]).__next__)
    >>> with waiting, waiting:
    ...     pass
    >>> waiting.seconds
    2.5
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.seconds = 0.0
        self._depth = 0
        self._since = 0.0

    def __enter__(self) -> None:
        if not self._depth:
            self._since = self.clock()
        self._depth += 1

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if not self._depth:
            self.seconds += self.clock() - self._since

    def timed(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, whose time counts as waiting."""

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return function(*args, **kwargs)

        return run


@final
class Pace(TrainerCallback):  # type: ignore[misc]  # transformers has no type information
    """Puts `tokens_per_second` and `waiting` into the metrics of one of TRL's trainers.

    Args:
        trainer: whose `_metrics["train"]` is averaged into each of its logs.
        waiting: what the encoder waits; the fetching of batches is added here.
        clock: seconds.
    """

    def __init__(
        self, trainer: Any, waiting: Waiting, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.trainer, self.waiting, self.clock = trainer, waiting, clock
        trainer.get_batch_samples = waiting.timed(trainer.get_batch_samples)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._step = self._counted = self.clock()
        self._waited = self.waiting.seconds
        # A run that goes on from a checkpoint begins to count at the first count that it sees.
        self._tokens = None if state.global_step else 0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = self.clock()
        metrics = self.trainer._metrics["train"]
        metrics["waiting"].append((self.waiting.seconds - self._waited) / (now - self._step))
        self._step, self._waited = now, self.waiting.seconds
        tokens = metrics.get("num_tokens", [None])[-1]
        if tokens is None or tokens == self._tokens:
            return  # a step on completions of an earlier one
        if self._tokens is not None:
            rate = (tokens - self._tokens) / (now - self._counted)
            metrics["tokens_per_second"].append(rate)
        self._tokens, self._counted = tokens, now
