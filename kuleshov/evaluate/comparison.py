"""What a comparison of two models holds, for pages, tables and `result.json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kuleshov.evaluate.statistics import McNemar
from kuleshov.evaluate.time_gain import TimeGain
from kuleshov.sample import Json


@dataclass(frozen=True)
class Condition:
    """Both models under one condition; None where a model was not asked all items under it.

    Args:
        before: the first model's figure, in [0, 1].
        after: the second model's.
        failures_before: share of the first model's completions that hold no answer; they earn 0.
        failures_after: likewise of the second model's.
    """

    before: float | None
    after: float | None
    failures_before: float | None
    failures_after: float | None


@dataclass(frozen=True)
class TaskComparison:
    """One task's figures; all are mean rewards in [0, 1]. Of several tasks: means of their means.

    Several runs of the second model, one for each training seed, count alike.

    Args:
        chance: an answer drawn from the task's prior, in the long run.
        best_constant: the best single answer to all items.
        constant: that answer, to the first item where it is a time that is constant on another
            clock than seconds; None for several tasks.
        floors: chance, and each policy of policies.py, scored as a model is.
        blind: the second model without the video; None if it was not run.
        before: the first model.
        after: the second model.
        difference: after minus before, paired by item.
        interval: 95 % interval of the difference; None with fewer than 10 videos.
        p: two-sided, by sign flips over videos.
        p_holm: the same after Holm's correction over the tasks that are compared together.
        mcnemar: items that became right or wrong (`Task.right_from`), as if independent.
        detectable: the least true difference that would be found in 4 of 5 such evaluations.
        corrected: (after - floor) / (1 - floor), with the largest of chance, best constant
            and learned floor.
        failures_before: share of the first model's completions that hold no answer.
        failures_after: likewise of the second model's.
        conditions: every condition that one of the models was asked under, "full" first.
        time_gain_before: of the first model; None where its controls were not run.
        time_gain_after: of the second model.
        solved_blind: share of items that the second model gets right without the video.
        needs_time: ids of items that it gets right only with the video; None if not known.
        n: items.
        videos: different videos.
        seeds: training seeds of the second model.
        warnings: what a reader should know before a figure is believed.
    """

    chance: float
    best_constant: float
    constant: Json
    floors: dict[str, float]
    blind: float | None
    before: float
    after: float
    difference: float
    interval: tuple[float, float] | None
    p: float
    p_holm: float
    mcnemar: McNemar
    detectable: float | None
    corrected: float
    failures_before: float
    failures_after: float
    conditions: dict[str, Condition]
    time_gain_before: TimeGain | None
    time_gain_after: TimeGain | None
    solved_blind: float | None
    needs_time: tuple[str, ...] | None
    n: int
    videos: int
    seeds: int
    warnings: tuple[str, ...]

    @property
    def needs_time_share(self) -> float | None:
        """Of all items."""
        return None if self.needs_time is None else len(self.needs_time) / self.n

    def to_json(self) -> dict[str, Any]:
        """The figures that `result.json` holds."""
        gains = {"before": self.time_gain_before, "after": self.time_gain_after}
        return {
            "chance": self.chance,
            "best_constant": self.best_constant,
            "floors": self.floors,
            "blind": self.blind,
            "before": self.before,
            "after": self.after,
            "difference": self.difference,
            "interval": None if self.interval is None else list(self.interval),
            "p": self.p,
            "p_holm": self.p_holm,
            "mcnemar": self.mcnemar._asdict(),
            "detectable": self.detectable,
            "corrected": self.corrected,
            "failures_before": self.failures_before,
            "failures_after": self.failures_after,
            "conditions": {name: asdict(one) for name, one in self.conditions.items()},
            "time_gain": {
                name: None if gain is None else {**gain._asdict(), "interval": _ends(gain)}
                for name, gain in gains.items()
            },
            "solved_blind": self.solved_blind,
            "needs_time": self.needs_time_share,
            "n": self.n,
            "videos": self.videos,
            "seeds": self.seeds,
            "warnings": list(self.warnings),
        }


def _ends(gain: TimeGain) -> list[float] | None:
    return None if gain.interval is None else list(gain.interval)
