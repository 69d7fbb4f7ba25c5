"""What would make a sample wrong, and how much a model earns that never looks.

errors    a gold answer that does not earn 1, a sample that does not survive JSON, media that
          cannot be rendered or do not match their recipe
figures   chance and the best constant answer of each task
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kuleshov.dataset import load_samples, videos_root
from kuleshov.errors import KuleshovError
from kuleshov.floors import best_constant, chance
from kuleshov.locations import Location
from kuleshov.media import render
from kuleshov.sample import Sample
from kuleshov.tasks import task_of


class Floor(NamedTuple):
    """What is earned without looking: mean rewards in [0, 1]."""

    task: str
    samples: int
    chance: float
    best_constant: float
    constant: str


class Findings(NamedTuple):
    """The outcome of an audit."""

    errors: list[str]
    floors: list[Floor]


def audit(out: Path, num_rendered: int = 20) -> Findings:
    """Check a sample set.

    Args:
        out: the folder that `kuleshov make` wrote.
        num_rendered: how many samples of each task are rendered.
    """
    samples = load_samples(out)
    root = videos_root(out)
    errors = []
    sound: dict[str, list[Sample]] = {}
    for sample in samples:
        found = _sample_errors(sample)
        errors.extend(found)
        if not found:
            sound.setdefault(sample.entry, []).append(sample)
    floors = []
    for task, here in sorted(sound.items()):
        for sample in here[:num_rendered]:
            errors.extend(_media_errors(sample, root))
        floors.append(_floor(task, here))
    return Findings(errors, floors)


def _sample_errors(sample: Sample) -> list[str]:
    errors = []
    task = task_of(sample)
    earned = task.score(sample, task.completion(sample.answer)).total
    if earned != 1.0:
        errors.append(f"{sample.id}: its own answer {sample.answer} earns {earned}, not 1")
    if Sample.from_json(sample.to_json()) != sample:
        errors.append(f"{sample.id}: changes when written as JSON and read back")
    return errors


def _media_errors(sample: Sample, root: Location) -> list[str]:
    try:
        rendered = render(sample, root)
    except KuleshovError as error:
        return [f"{sample.id}: cannot be rendered: {error}"]
    return [
        f"{sample.id}: media item {i} has shape {pixels.shape}, its recipe says {wanted}"
        for i, (item, pixels) in enumerate(zip(sample.media, rendered, strict=True), 1)
        if pixels.shape != (wanted := (len(item.frames), item.height, item.width, 3))
    ]


def _floor(task: str, samples: Sequence[Sample]) -> Floor:
    reward, answer = best_constant(samples)
    constant = "" if answer is None else task_of(samples[0]).write(answer)
    return Floor(task, len(samples), chance(samples), reward, constant)
