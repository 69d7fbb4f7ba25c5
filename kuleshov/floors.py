"""What is earned without looking at the video; no score means anything without it.

A constant answer that is a time is constant on one of the clocks that a model is shown: "from 2 to
6 s", "from a fifth to four fifths of the video", "from frame 10 to frame 38". On videos of
different lengths these are different answers, and each is searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import fsum
from typing import NamedTuple

from kuleshov.sample import Json, Sample
from kuleshov.tasks import task_of

_SEARCHED = 1000
"""Samples on which candidates are compared, evenly many of the set; the best is scored on all."""


def _seconds(sample: Sample) -> float:
    return 1.0


def _frame(sample: Sample) -> float:
    """Seconds from one shown frame to the next; 0 where none follows."""
    item = max(sample.media, key=lambda item: len(item.frames), default=None)
    if item is None or len(item.frames) < 2:
        return 0.0
    return (item.frames[-1].shown_seconds - item.frames[0].shown_seconds) / (len(item.frames) - 1)


def _length(sample: Sample) -> float:
    """Seconds that are shown, the last frame's own included."""
    return _frame(sample) * max((len(item.frames) for item in sample.media), default=0)


CLOCKS: dict[str, Callable[[Sample], float]] = {
    "seconds": _seconds,
    "of the shown length": _length,
    "frames": _frame,
}
"""By name, how many seconds one unit of a clock is in a sample."""


class Constant(NamedTuple):
    """A single answer to all samples of a task.

    Args:
        reward: the mean of what it earns, in [0, 1].
        answer: on its clock; None if no answer earns anything.
        clock: in `CLOCKS`; "seconds" for answers that are no times.
    """

    reward: float
    answer: Json
    clock: str = "seconds"

    def to(self, sample: Sample) -> Json:
        """The answer to one sample, in the task's form."""
        if self.clock == "seconds":
            return self.answer
        return _scaled(self.answer, CLOCKS[self.clock](sample), 3)

    def write(self, sample: Sample) -> str:
        """As people read it; the sample is any one of the task's."""
        if self.answer is None:
            return ""
        task = task_of(sample)
        if self.clock == "seconds":
            return task.write(self.answer)
        return f"{task.write(_scaled(self.answer, 1, 3))} {self.clock}"


def best_constant(samples: Sequence[Sample]) -> Constant:
    """The best single answer to all samples of a task, on the clock on which it earns most.

    A model that has learned nothing but the set's statistics earns at least this much.
    """
    some = searched(samples)
    best = Constant(0.0, None)
    for candidate in constants(some):
        reward = _mean(candidate, some)
        if reward > best.reward:
            best = candidate._replace(reward=reward)
    return best if len(some) == len(samples) else best._replace(reward=_mean(best, samples))


def searched(samples: Sequence[Sample], most: int = _SEARCHED) -> list[Sample]:
    """Samples on which candidates are compared: all, or evenly many of them."""
    ordered = sorted(samples, key=lambda sample: sample.id)
    return ordered[:: max(1, -(-len(ordered) // most))]


def constants(some: Sequence[Sample]) -> Iterator[Constant]:
    """The constant answers among which the best one is searched, not scored yet."""
    task = task_of(some[0])
    for clock, unit in CLOCKS.items() if task.answers_in_seconds else [("seconds", _seconds)]:
        units = [unit(sample) for sample in some]
        if not all(units):
            continue  # a clock that not every sample has
        told = some
        if clock != "seconds":
            told = [
                replace(sample, answer=_scaled(sample.answer, 1 / one, 6))
                for sample, one in zip(some, units, strict=True)
            ]
        for answer in task.candidates(told):
            yield Constant(0.0, answer, clock)


def chance(samples: Sequence[Sample]) -> float:
    """Mean reward of answers drawn from the task's prior."""
    return fsum(sample.chance for sample in samples) / len(samples)


def _mean(constant: Constant, samples: Sequence[Sample]) -> float:
    if constant.answer is None:
        return 0.0
    task = task_of(samples[0])
    earned = (task.grade(constant.to(sample), sample.answer)["total"] for sample in samples)
    return fsum(earned) / len(samples)


def _scaled(answer: Json, factor: float, digits: int) -> Json:
    """All times in an answer times a factor; with 3 decimals every task can write them."""
    if isinstance(answer, list):
        return [_scaled(one, factor, digits) for one in answer]
    return round(float(answer) * factor, digits)
