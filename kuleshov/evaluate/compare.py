"""Two evaluation runs of the same samples, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.evaluate.results import Result, load_results
from kuleshov.evaluate.statistics import paired_difference
from kuleshov.floors import best_constant, chance
from kuleshov.run import environment
from kuleshov.sample import Json, Sample


@dataclass(frozen=True)
class TaskComparison:
    """One task's figures; all are mean rewards in [0, 1].

    Args:
        chance: an answer drawn from the task's prior.
        best_constant: the best single answer to all items.
        constant: that answer.
        blind: the trained model without the video; None if it was not run.
        before: the first model.
        after: the second model.
        difference: after minus before, paired by item.
        interval: 95 % interval of the difference; None with fewer than 10 videos.
        corrected: (after - floor) / (1 - floor), with the larger of chance and best constant.
        failures_before: share of the first model's completions that hold no answer.
        failures_after: likewise of the second model's.
        n: items.
        videos: different videos.
    """

    chance: float
    best_constant: float
    constant: Json
    blind: float | None
    before: float
    after: float
    difference: float
    interval: tuple[float, float] | None
    corrected: float
    failures_before: float
    failures_after: float
    n: int
    videos: int

    def to_json(self) -> dict[str, Any]:
        """The figures that `result.json` holds."""
        return {
            "chance": self.chance,
            "best_constant": self.best_constant,
            "blind": self.blind,
            "before": self.before,
            "after": self.after,
            "difference": self.difference,
            "interval": None if self.interval is None else list(self.interval),
            "n": self.n,
            "videos": self.videos,
        }


def compare(before: Path, after: Path) -> dict[str, TaskComparison]:
    """Each task's comparison, from two run folders of `kuleshov eval`.

    Raises:
        UsageError: the runs are of different samples or temperatures, or have no items in common.
    """
    samples = {sample.id: sample for sample in samples_of(after)}
    for key in ("samples", "temperature"):
        one, other = environment(before)[key], environment(after)[key]
        if one != other:
            raise UsageError(
                f"{before} has {key} {one} and {after} has {other}, so their scores cannot be "
                "compared; evaluate both models on the same sample set with the same settings"
            )
    first, second = _full(load_results(before)), _full(load_results(after))
    blind = {r.sample: r.score for r in load_results(after) if r.condition == "blind"}
    ids = sorted(first.keys() & second.keys())
    if not ids:
        raise UsageError(f"{before} and {after} have no item in common under the condition full")
    tasks = sorted({second[i].task for i in ids})
    return {
        task: _compare_task(
            [samples[i] for i in ids if second[i].task == task],
            [first[i] for i in ids if second[i].task == task],
            [second[i] for i in ids if second[i].task == task],
            [blind[i] for i in ids if second[i].task == task and i in blind],
        )
        for task in tasks
    }


def _compare_task(
    samples: Sequence[Sample],
    before: Sequence[Result],
    after: Sequence[Result],
    blind: Sequence[float],
) -> TaskComparison:
    earned_before, earned_after = ([r.score for r in side] for side in (before, after))
    gain = paired_difference(earned_before, earned_after, [r.video for r in after])
    constant_reward, constant = best_constant(samples)
    floor = max(chance(samples), constant_reward)
    mean_after = _mean(earned_after)
    return TaskComparison(
        chance=chance(samples),
        best_constant=constant_reward,
        constant=constant,
        blind=_mean(blind) if blind else None,
        before=_mean(earned_before),
        after=mean_after,
        difference=gain.mean,
        interval=gain.interval,
        corrected=(mean_after - floor) / (1 - floor) if floor < 1 else 0.0,
        failures_before=_mean([float(not r.parsed) for r in before]),
        failures_after=_mean([float(not r.parsed) for r in after]),
        n=len(samples),
        videos=gain.videos,
    )


def samples_of(run: Path) -> list[Sample]:
    """The sample set that an evaluation run answered."""
    return load_samples(environment(run)["data"])


def _full(results: Sequence[Result]) -> dict[str, Result]:
    return {result.sample: result for result in results if result.condition == "full"}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
