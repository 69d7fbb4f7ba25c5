"""What an audit finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal["wrong", "contradicted", "ambiguous", "duplicate", "leak", "skew", "floor", "note"]
Verdict = Literal["leak", "triviality", "nothing"]


@dataclass(frozen=True)
class Finding:
    """One thing to say about a set.

    Args:
        kind: "wrong" (the sample itself), "contradicted" (its frames say otherwise),
            "ambiguous", "duplicate" (on both sides of the split) and "leak" are errors; "skew",
            "floor" and "note" are warnings.
        task: whose sample or set it is; empty where it is no task's.
        text: what was found, with the figures.
        sample: the id of the sample at fault, if it is a single one; of a row that is no sample
            the file and the number of the row.
    """

    kind: Kind
    task: str
    text: str
    sample: str | None = None

    def __str__(self) -> str:
        whose = self.sample or self.task
        return f"{self.kind}: {whose}: {self.text}" if whose else f"{self.kind}: {self.text}"


class Floor(NamedTuple):
    """What is earned without looking: mean rewards in [0, 1].

    Args:
        task: or entry of the recipe.
        samples: how many there are.
        chance: of answers drawn from the task's prior.
        best_constant: of the best single answer.
        constant: that answer, as people read it.
        learned: of the answers that are learned from what is visible without pixels, on other
            source videos (`kuleshov.learned_floor`).
    """

    task: str
    samples: int
    chance: float
    best_constant: float
    constant: str
    learned: float


@dataclass(frozen=True)
class Probed:
    """How far a probe got.

    Args:
        task: whose questions.
        probe: name in `kuleshov.audit.probes.PROBES`, or of the answers themselves.
        on: "set" as the model gets it, or its "control", with the effect switched off.
        score: area under the ROC curve on videos that it was not fitted to.
        chance: the same for labels that belong to other samples; about 0.5.
        interval: of the score, by bootstrap over videos, see `auc.Z`.
        videos: how many there were.
        verdict: "leak" where it must not beat chance and does; "triviality" where it finds a
            cue that is asked about.
        judged: whether beating chance is a leak here.
        why: what led to the verdict, where that is more than the interval.
    """

    task: str
    probe: str
    on: Literal["set", "control"]
    score: float
    chance: float
    interval: tuple[float, float]
    videos: int
    verdict: Verdict
    judged: bool
    why: str = ""

    @property
    def rank(self) -> tuple[bool, float]:
        """Leaks come first, then what is furthest above chance."""
        return self.verdict == "leak", self.score - self.chance


@dataclass(frozen=True)
class Findings:
    """The outcome of an audit.

    Args:
        errors: why the set should not be used as it is.
        warnings: what a reader of its scores should know.
        floors: of each task.
        probes: of each task, whatever they found.
        examined: samples of each task whose frames were looked at.
        not_recomputed: tasks whose answers nothing computes again.
    """

    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    floors: list[Floor] = field(default_factory=list)
    probes: list[Probed] = field(default_factory=list)
    examined: dict[str, int] = field(default_factory=dict)
    not_recomputed: list[str] = field(default_factory=list)

    def faulty(self) -> dict[str, Finding]:
        """By id, the first error of each sample that has one."""
        faulty: dict[str, Finding] = {}
        for error in self.errors:
            if error.sample is not None:
                faulty.setdefault(error.sample, error)
        return faulty

    def worst(self) -> list[Probed]:
        """Of each task the probe that got furthest where it must get nowhere."""
        worst: dict[str, Probed] = {}
        for row in self.probes:
            if row.judged and (row.task not in worst or row.rank > worst[row.task].rank):
                worst[row.task] = row
        return list(worst.values())
