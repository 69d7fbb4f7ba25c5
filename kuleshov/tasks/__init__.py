"""The pretext tasks, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from kuleshov.errors import UsageError, unknown_name
from kuleshov.sample import Json, Reward, Sample
from kuleshov.tasks.anomaly import Anomaly
from kuleshov.tasks.counting import Counting
from kuleshov.tasks.jigsaw import Jigsaw
from kuleshov.tasks.labelled import Labelled
from kuleshov.tasks.masked import Masked
from kuleshov.tasks.task import Donors, Task

__all__ = ["GIVEN", "SETTINGS", "TASKS", "Donors", "Task", "build", "score", "task_of"]

TASKS: dict[str, type[Task]] = {
    "anomaly": Anomaly,
    "counting": Counting,
    "jigsaw": Jigsaw,
    "masked": Masked,
}
"""`TASKS[name]` is the class, `TASKS[name]()` its default setting."""

GIVEN: dict[str, type[Task]] = {"labelled": Labelled}
"""Tasks whose questions come with the videos. They are scored like any other and make none up."""

SETTINGS = ("default", "paper")


def build(name: str, setting: str = "default", knobs: Mapping[str, Json] | None = None) -> Task:
    """A task by name, in a named setting, with single knobs changed.

    Raises:
        UsageError: unknown task, setting or knob, or a knob out of range.
    """
    kinds = {**TASKS, **GIVEN}
    if name not in kinds:
        raise unknown_name("task", name, kinds)
    if setting not in SETTINGS:
        raise unknown_name("setting", setting, SETTINGS)
    known = [field.name for field in fields(kinds[name])]
    for knob in knobs or {}:
        if knob not in known:
            raise unknown_name(f"knob of {name}", knob, known)
    start = kinds[name].paper() if setting == "paper" else kinds[name]()
    changed: dict[str, Any] = {**start.knobs(), **(knobs or {})}
    # JSON and YAML have lists where the fields are tuples.
    values: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in changed.items()
    }
    try:
        return kinds[name](**values)
    except TypeError as error:
        raise UsageError(f"{name}: a knob has a value of the wrong kind: {error}") from error


def task_of(sample: Sample) -> Task:
    """The task that made a sample, with the knobs it had."""
    return build(sample.task, knobs=sample.knobs)


def score(sample: Sample, completion: str) -> Reward:
    """What a completion earns for a sample. Every engine's adapter ends here."""
    return task_of(sample).score(sample, completion)
