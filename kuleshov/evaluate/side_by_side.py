"""One row of a comparison: two models' answers to the same items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from kuleshov.controls import CONTROLS
from kuleshov.evaluate import policies
from kuleshov.evaluate.comparison import Condition, TaskComparison
from kuleshov.evaluate.figures import FIGURES, Figure, about_order, right_from
from kuleshov.evaluate.scores import (
    Answers,
    by_condition,
    covers,
    failure_share,
    mean_scores,
    pooled,
    repeats,
)
from kuleshov.evaluate.statistics import (
    MIN_VIDEOS,
    mcnemar,
    paired_difference,
    seed_warning,
)
from kuleshov.evaluate.statistics.reported import Floats, Reported
from kuleshov.evaluate.time_gain import Bools, TimeGain, needs_time, solved, time_gain
from kuleshov.sample import Json, Sample

_NO_SCORES: dict[str, float] = {}
RANDOM_REPEATS = 4
"""Draws of the random policy for each item; `chance` is what they come to with many."""


def policy_answers(samples: Sequence[Sample]) -> dict[str, Answers]:
    """What each policy says to all samples, for `side_by_side` of them or of some entries.

    As far as that looks at it: answer and score, and not the words around them.
    """
    repeated = {"random": RANDOM_REPEATS}
    return {
        name: by_condition(
            replace(result, completion="", scores=_NO_SCORES)
            for result in policies.answers(name, samples, repeated.get(name, 1))
        )
        for name in policies.POLICIES
    }


def side_by_side(
    samples: Sequence[Sample],
    before: Answers,
    after: Sequence[Answers],
    floors: Mapping[str, Answers],
    figure: Figure = FIGURES["tasks"],
) -> TaskComparison:
    """Everything that is reported of two models on some items.

    Args:
        samples: each was answered by all models under the condition "full".
        before: the first model's answers.
        after: the second model's, one for each seed of its training.
        floors: the policies' answers, see `policy_answers`.
        figure: what is reported of scores, see figures.py.
    """
    return _Row(samples, before, after, floors, figure).comparison()


class _Row:
    """The items and their figures."""

    def __init__(
        self,
        samples: Sequence[Sample],
        before: Answers,
        after: Sequence[Answers],
        floors: Mapping[str, Answers],
        figure: Figure,
    ) -> None:
        self.samples, self.before, self.after = samples, before, pooled(after)
        self.each = [before, *after]
        self.ids = [sample.id for sample in samples]
        self.right_from, self.about_order = right_from(samples), about_order(samples)
        self.policies, self.what = floors, figure

    def comparison(self) -> TaskComparison:
        full = [mean_scores(answers, "full", self.ids) for answers in self.each]
        gain = paired_difference(self.reported(np.stack(full, axis=1)))
        floors, constant = self.floors()
        floor = max(
            floors[name] for name in ("chance", "best_constant", "learned") if name in floors
        )
        conditions = self.conditions()
        blind = conditions.get("blind")
        return TaskComparison(
            chance=floors["chance"],
            best_constant=floors["best_constant"],
            constant=constant,
            floors=floors,
            blind=None if blind is None else blind.after,
            before=gain.before,
            after=gain.after,
            difference=gain.value,
            interval=gain.interval,
            p=gain.p,
            p_holm=gain.p,
            mcnemar=mcnemar(self.right(self.before, "full"), self.right(self.after, "full")),
            detectable=gain.detectable,
            corrected=(gain.after - floor) / (1 - floor) if floor < 1 else 0.0,
            failures_before=failure_share(self.before, "full", self.ids),
            failures_after=failure_share(self.after, "full", self.ids),
            conditions=conditions,
            time_gain_before=self.time_gain(self.before),
            time_gain_after=self.time_gain(self.after),
            solved_blind=self.solved_blind(),
            needs_time=self.needing_time(),
            n=len(self.ids),
            videos=gain.videos,
            seeds=len(self.each) - 1,
            warnings=self.warnings(gain.videos),
        )

    def reported(self, scores: Floats) -> Reported:
        return self.what.report(scores, self.samples)

    def figure(self, scores: Floats) -> float:
        """Of scores (items,), or the mean of the figures of each column (items, columns)."""
        return float(self.reported(scores).value().mean())

    def right(self, answers: Answers, condition: str) -> Bools:
        return solved(repeats(answers, condition, self.ids), self.right_from)

    def floors(self) -> tuple[dict[str, float], Json]:
        """Chance and the policies' figures, and the best constant if there is one task."""
        floors = {"chance": self.what.chance(self.samples)}
        constant = None
        for name, answers in self.policies.items():
            floors[name] = self.figure(repeats(answers, "full", self.ids))
        if len({sample.entry for sample in self.samples}) == 1:
            constant = self.policies["best_constant"]["full"][self.ids[0]][0].answer
        return floors, constant

    def conditions(self) -> dict[str, Condition]:
        """Those that one of the models was asked all items under."""
        found: dict[str, Condition] = {}
        for name in ("full", *CONTROLS):
            figures: list[float | None] = []
            failed: list[float | None] = []
            for answers in (self.before, self.after):
                known = covers(answers, name, self.ids)
                figures.append(self.figure(mean_scores(answers, name, self.ids)) if known else None)
                failed.append(failure_share(answers, name, self.ids) if known else None)
            if figures != [None, None]:
                found[name] = Condition(*figures, *failed)
        return found

    def time_gain(self, answers: Answers) -> TimeGain | None:
        """None where the controls that it needs were not run."""
        shuffled = covers(answers, "shuffled", self.ids)
        if not covers(answers, "single", self.ids) or not (shuffled or all(self.about_order)):
            return None
        return time_gain(
            mean_scores(answers, "full", self.ids),
            mean_scores(answers, "single", self.ids),
            mean_scores(answers, "shuffled", self.ids) if shuffled else None,
            self.reported,
            self.about_order,
        )

    def solved_blind(self) -> float | None:
        if not covers(self.after, "blind", self.ids):
            return None
        return self.figure(self.right(self.after, "blind").astype(float))

    def needing_time(self) -> tuple[str, ...] | None:
        controls = ("single", "shuffled")
        if not all(covers(self.after, control, self.ids) for control in controls):
            return None
        need = needs_time(*(self.right(self.after, name) for name in ("full", *controls)))
        return tuple(i for i, needed in zip(self.ids, need, strict=True) if needed)

    def asked_otherwise(self) -> int:
        """Items of which not all models were sent the same; where it is not known it counts not."""
        sent = ({r.sent for each in self.each for r in each["full"][i]} - {""} for i in self.ids)
        return sum(len(hashes) > 1 for hashes in sent)

    def warnings(self, videos: int) -> tuple[str, ...]:
        found = [seed_warning(len(self.each) - 1)]
        if videos < MIN_VIDEOS:
            found.append(f"{videos} videos are too few for an interval, which needs {MIN_VIDEOS}")
        if other := self.asked_otherwise():
            found.append(
                f"{other} of {len(self.ids)} items were shown to the models with another prompt, "
                "other frames or other times; models of one family are to be asked the same"
            )
        for name in ("full", *CONTROLS):
            for answers in self.each:
                asked = len(answers.get(name, {}).keys() & set(self.ids))
                if 0 < asked < len(self.ids):
                    found.append(
                        f"a model was asked {asked} of {len(self.ids)} items under the condition "
                        f"{name}, which is left out; let the evaluation run to its end"
                    )
        return tuple(warning for warning in found if warning is not None)
