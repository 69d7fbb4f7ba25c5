"""What is earned without looking at the video; no score means anything without it."""

from __future__ import annotations

from collections.abc import Sequence

from kuleshov.sample import Json, Sample
from kuleshov.tasks import task_of


def best_constant(samples: Sequence[Sample]) -> tuple[float, Json]:
    """(mean reward, answer) of the best single answer to all samples of a task.

    A model that has learned nothing but the set's statistics earns at least this much.
    """
    task = task_of(samples[0])
    best, best_answer = 0.0, None
    for candidate in task.candidates(samples):
        total = sum(task.grade(candidate, sample.answer)["total"] for sample in samples) / len(
            samples
        )
        if total > best:
            best, best_answer = total, candidate
    return best, best_answer


def chance(samples: Sequence[Sample]) -> float:
    """Mean reward of answers drawn from the task's prior."""
    return sum(sample.chance for sample in samples) / len(samples)
