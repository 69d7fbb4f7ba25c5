"""Section: how training went, as line charts."""

from __future__ import annotations

from math import fsum
from pathlib import Path
from typing import NamedTuple

from kuleshov.files import read_lines
from kuleshov.report.page import Section, render

WIDTH, HEIGHT, LEFT, BOTTOM = 340, 180, 40, 24
# Keys of the trainers' logs, and what people call them.
CHARTS = {
    ("sft", "loss"): "cold start: loss",
    ("grpo", "reward"): "GRPO: mean reward of the rollouts",
    ("grpo", "frac_reward_zero_std"): "GRPO: share of groups without reward variance",
    ("grpo", "parse_failures"): "GRPO: share of rollouts without an answer",
    ("grpo", "entropy"): "GRPO: entropy of the tokens (nats)",
    ("grpo", "tokens_per_second"): "GRPO: tokens per second",
    ("grpo", "waiting"): "GRPO: share of the time waiting for data",
}


class Chart(NamedTuple):
    """A line chart in pixels: what the template draws."""

    title: str
    raw: str
    smooth: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def curves(run: Path) -> Section | None:
    """The charts of a training run; None if it logged nothing."""
    path = run / "metrics.jsonl"
    if not path.is_file():
        return None
    series: dict[tuple[str, str], dict[int, float]] = {}
    for entry in read_lines(path):
        for key, value in entry.items():
            if isinstance(value, int | float):
                # A step that was run again after a kill counts once, as run last.
                series.setdefault((entry["phase"], key), {})[entry["step"]] = value
    tasks = {
        key: f"GRPO: reward of {key[1].removeprefix('task/')}"
        for key in sorted(series)
        if key[1].startswith("task/")
    }
    charts = [
        chart(title, series[key]) for key, title in {**CHARTS, **tasks}.items() if key in series
    ]
    size = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "bottom": HEIGHT - BOTTOM}
    return Section("Training", render("curves.html", charts=charts, **size)) if charts else None


def chart(title: str, points: dict[int, float], window: int = 9) -> Chart:
    """A chart of values by step: each value, and their running mean over `window` steps."""
    steps = sorted(points)
    values = [points[step] for step in steps]
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1.0
    last = max(steps[-1], steps[0] + 1)

    def place(step: float, value: float) -> str:
        x = LEFT + (step - steps[0]) / (last - steps[0]) * (WIDTH - LEFT - 8)
        y = (HEIGHT - BOTTOM) - (value - low) / (high - low) * (HEIGHT - BOTTOM - 10)
        return f"{x:.1f},{y:.1f}"

    means = []
    for i in range(len(values)):
        near = values[max(0, i - window // 2) : i + window // 2 + 1]
        means.append(fsum(near) / len(near))
    return Chart(
        title=title,
        raw=" ".join(place(s, v) for s, v in zip(steps, values, strict=True)),
        smooth=" ".join(place(s, v) for s, v in zip(steps, means, strict=True)),
        x_ticks=[
            (float(place(step, low).split(",")[0]), f"{step:.0f}")
            for step in (steps[0], (steps[0] + last) / 2, last)
        ],
        y_ticks=[
            (float(place(steps[0], value).split(",")[1]), _tick(value))
            for value in (low, (low + high) / 2, high)
        ],
    )


def _tick(value: float) -> str:
    """A value in the little room beside an axis.

    >>> _tick(0.375), _tick(41.2), _tick(823.4), _tick(13043.2)
    ('0.38', '41', '823', '13k')
    """
    if abs(value) < 99.5:
        return f"{value:.2g}"
    return f"{value:.0f}" if abs(value) < 999.5 else f"{value / 1000:.3g}k"
