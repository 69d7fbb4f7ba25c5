"""What a person sees while work goes on: bars, and for training a line of figures.

    GRPO  ━━━━━━━━━╺━━━━━━━━━━  42/100 0:03:10
    reward 0.41 (anomaly 0.52, jigsaw 0.30) · no variance 25% · no answer 3% · 1,240 tokens/s · ...

On a terminal the figures stand below the bars and change with each step. Elsewhere, such as in a
log file, they are plain lines: the first, the last, and in between at most one every 30 seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, final

from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from kuleshov.progress import Figures, Progress

SECONDS = 30.0
"""Between two plain lines; ours."""


def describe(logged: Mapping[str, float]) -> str:
    """The figures that people watch, of those that were logged; the others are left out.

    Args:
        logged: by the names of the trainers' logs, as in metrics.jsonl.

    >>> describe({"reward": 0.4, "task/jigsaw": 0.4, "frac_reward_zero_std": 0.25})
    'reward 0.400 (jigsaw 0.400) · no variance 25%'
    >>> describe({"loss": 1.5, "tokens_per_second": 1240.3, "waiting": 0.125, "grad_norm": 3.0})
    'loss 1.5 · 1,240 tokens/s · waiting for data 12%'
    """
    known = {key: value for key, value in logged.items() if isinstance(value, int | float)}
    parts = []
    if "reward" in known:
        tasks = ", ".join(
            f"{key.removeprefix('task/')} {known[key]:.3f}"
            for key in sorted(known)
            if key.startswith("task/")
        )
        parts.append(f"reward {known['reward']:.3f}" + (f" ({tasks})" if tasks else ""))
    elif "loss" in known:
        parts.append(f"loss {known['loss']:.4g}")
    for key, form in [
        ("frac_reward_zero_std", "no variance {:.0%}"),
        ("parse_failures", "no answer {:.0%}"),
        ("tokens_per_second", "{:,.0f} tokens/s"),
        ("waiting", "waiting for data {:.0%}"),
    ]:
        if key in known:
            parts.append(form.format(known[key]))
    return " · ".join(parts)


class Live(NamedTuple):
    """Where work tells how far it is, and training what it logs."""

    progress: Progress
    figures: Figures


@contextmanager
def live(console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[Live]:
    """Bars for the stages, and the figures of training, for as long as it is entered."""
    bars = Bars(
        TextColumn("{task.description:<16}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    line = Text()
    shown: dict[str, Any] = {}

    def progress(what: str, done: int, total: int) -> None:
        if what not in shown or bars.tasks[shown[what]].finished:
            shown[what] = bars.add_task(what, total=total)
        bars.update(shown[what], completed=done, total=total)

    def under_the_bars(what: str, done: int, total: int, logged: Mapping[str, float]) -> None:
        line.plain = describe(logged)

    if not console.is_terminal:
        with bars:
            yield Live(progress, PlainLines(console, clock))
        return

    def drawn() -> RenderableType:
        return Group(bars, line) if line.plain else bars

    with RichLive(get_renderable=drawn, console=console, refresh_per_second=4):
        yield Live(progress, under_the_bars)


@final
class PlainLines:
    """Figures as lines of text, few enough to be read later."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self.clock = console, clock
        self._last: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int, logged: Mapping[str, float]) -> None:
        now = self.clock()
        if done < total and now - self._last.get(what, float("-inf")) < SECONDS:
            return
        self._last[what] = now
        text = f"{what} {done}/{total}  {describe(logged)}"
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
