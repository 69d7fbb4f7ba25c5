"""The pretext tasks, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache, lru_cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from kuleshov.errors import UsageError, unknown_name
from kuleshov.sample import Json, Reward, Sample, dump_json
from kuleshov.tasks.anomaly import Anomaly
from kuleshov.tasks.appearance import Appearance
from kuleshov.tasks.arrow import Arrow
from kuleshov.tasks.counting import Counting
from kuleshov.tasks.given_choices import GivenChoice, GivenOrder, GivenYesNo
from kuleshov.tasks.given_texts import GivenCaption, GivenText
from kuleshov.tasks.given_values import GivenInterval, GivenNumber
from kuleshov.tasks.jigsaw import Jigsaw
from kuleshov.tasks.labelled import Labelled
from kuleshov.tasks.masked import Masked
from kuleshov.tasks.odd_clip import OddClip
from kuleshov.tasks.speed import Speed
from kuleshov.tasks.task import Donors, Task
from kuleshov.tasks.text_frames import TextFrames
from kuleshov.tasks.text_order import TextOrder
from kuleshov.tasks.turned import Turned

__all__ = ["GIVEN", "SETTINGS", "TASKS", "Donors", "Task", "build", "score", "task_of"]

TASKS: dict[str, type[Task]] = {
    "anomaly": Anomaly,
    "appearance": Appearance,
    "arrow": Arrow,
    "counting": Counting,
    "jigsaw": Jigsaw,
    "masked": Masked,
    "odd_clip": OddClip,
    "speed": Speed,
    "text_frames": TextFrames,
    "text_order": TextOrder,
    "turned": Turned,
}
"""`TASKS[name]` is the class, `TASKS[name]()` its default setting."""

GIVEN: dict[str, type[Task]] = {
    "given_caption": GivenCaption,
    "given_choice": GivenChoice,
    "given_interval": GivenInterval,
    "given_number": GivenNumber,
    "given_order": GivenOrder,
    "given_text": GivenText,
    "given_yes_no": GivenYesNo,
    "labelled": Labelled,
}
"""Tasks whose questions come with the videos. They are scored like any other and make none up."""

SETTINGS = ("default", "paper")


def build(name: str, setting: str = "default", knobs: Mapping[str, Json] | None = None) -> Task:
    """A task by name, in a named setting, with single knobs changed.

    Args:
        name: in `TASKS`, or in `GIVEN`.
        setting: in `SETTINGS`.
        knobs: values of the task's fields. `level` names one of its `LEVELS`, whose knobs come
            before these.

    Raises:
        UsageError: unknown task, setting, level or knob, or a knob out of range.
    """
    kinds = {**TASKS, **GIVEN}
    if name not in kinds:
        raise unknown_name("task", name, kinds)
    if setting not in SETTINGS:
        raise unknown_name("setting", setting, SETTINGS)
    kind = kinds[name]
    known = [field.name for field in fields(kind)]
    given = dict(knobs or {})
    level = given.pop("level", None)
    if level is not None and level not in kind.LEVELS:
        raise unknown_name(f"level of {name}", str(level), kind.LEVELS)
    for knob in given:
        if knob not in known:
            raise unknown_name(f"knob of {name}", knob, known)
    start = kind.paper() if setting == "paper" else kind()
    leveled = kind.LEVELS[level] if level is not None else {}
    changed: dict[str, Any] = {**start.knobs(), **leveled, **given}
    # JSON and YAML have lists where the fields are tuples.
    values: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in changed.items()
    }
    if "reading" in values and values["reading"] not in kind.READINGS:
        raise unknown_name(f"reading of {name}", str(values["reading"]), kind.READINGS)
    try:
        task = kind(**values)
        _types(kind).model_validate(values)
        return task
    except TypeError as error:
        raise UsageError(f"{name}: a knob has a value of the wrong kind: {error}") from error
    except ValidationError as error:
        wrong = [f"{e['loc'][0]} is {e['input']!r}: {e['msg']}" for e in error.errors()]
        raise UsageError(f"{name}: {'; '.join(wrong)}") from error


@cache
def _types(kind: type[Task]) -> type[BaseModel]:
    """What the knobs of a task may hold; nothing is taken for something else, NaN for nothing."""
    hints = get_type_hints(kind)
    knobs: dict[str, Any] = {field.name: (hints[field.name], ...) for field in fields(kind)}
    config = ConfigDict(strict=True, allow_inf_nan=False)
    return create_model(kind.__name__, __config__=config, **knobs)


def task_of(sample: Sample) -> Task:
    """The task that made a sample, with the knobs it had."""
    return _built(sample.task, dump_json(sample.knobs))


@lru_cache(maxsize=256)
def _built(name: str, knobs: str) -> Task:
    """The tasks of a set are few, and building one takes longer than scoring an answer."""
    before = {**TASKS, **GIVEN}[name].BEFORE if name in TASKS or name in GIVEN else {}
    return build(name, knobs={**before, **json.loads(knobs)})


def score(sample: Sample, completion: str) -> Reward:
    """What a completion earns for a sample. Every engine's adapter ends here."""
    return task_of(sample).score(sample, completion)
