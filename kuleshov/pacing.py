"""Samples that show no more frames a second than is asked for (`make.max_fps`).

Some models' clocks are coarse: above a rate they cannot tell frames apart in time, and their
processors do not say so (train/positions.py does). A task that shows more is made with fewer frames
of the same part of the video:

    fps          at most max_fps, for tasks that have such a knob
    num_frames   as many as the rate allows, an even number in each video
    lengths      what is counted in frames (segments, gaps) becomes shorter in proportion

The knobs as they were used stand in the sample. A sample that is slow enough stays as it is, byte
for byte. What does not fit fewer frames is a skip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import TypeVar

from kuleshov.errors import UsageError
from kuleshov.sample import Json, Sample, Skip
from kuleshov.tasks.task import Task

T = TypeVar("T", bound=Task)
LENGTHS = ("min_segment", "max_segment", "min_gap", "margin")
"""Knobs that count shown frames, where they are whole numbers."""


def fps_of(sample: Sample) -> float:
    """Frames shown for each second of the shown clock, of the fastest video; 0 without one."""
    fastest = 0.0
    for item in sample.media:
        span = item.frames[-1].shown_seconds - item.frames[0].shown_seconds
        if span > 0:
            fastest = max(fastest, (len(item.frames) - 1) / span)
    return fastest


def paced(
    task: T, max_fps: float | None, make: Callable[[T], Sample | Skip]
) -> tuple[T, Sample | Skip]:
    """A sample that shows at most `max_fps` frames a second, and the task that made it.

    Args:
        task: the task as it was asked for.
        max_fps: above 0; None for any number.
        make: makes a sample with a task; the same one for the same task.
    """
    made = make(task)
    if max_fps is None or isinstance(made, Skip) or fps_of(made) <= max_fps:
        return task, made
    for slower in _slower(task, max_fps, fps_of(made)):
        found = make(slower)
        if isinstance(found, Sample) and _fits(found, made, max_fps):
            return slower, found
    path = made.path
    reason = (
        f"{fps_of(made):.3g} frames a second, and the task does not fit the fewer frames of "
        f"{max_fps:g} a second (make.max_fps)"
    )
    return task, Skip(path, reason, task.name)


def _fits(found: Sample, made: Sample, max_fps: float) -> bool:
    """Slow enough, and with frames in pairs where they were: models merge two at a time."""
    pairs = all(len(item.frames) % 2 == 0 for item in made.media)
    odd = pairs and any(len(item.frames) % 2 for item in found.media)
    return fps_of(found) <= max_fps and not odd


def _slower(task: T, max_fps: float, fps: float) -> Iterator[T]:
    """The task with fewer and fewer frames, as far as its knobs fit together."""
    knobs = {field.name: getattr(task, field.name) for field in fields(task)}
    changed: dict[str, Json] = {}
    if isinstance(knobs.get("fps"), int | float) and knobs["fps"] > max_fps:
        changed = {"fps": float(max_fps)}
        yield from _built(task, changed)
    frames = int(knobs.get("num_frames") or 0)
    most = int(frames * max_fps / fps)
    for fewer in range(most - most % 2, 1, -2):
        share = fewer / frames
        lengths = {
            key: max(1, round(knobs[key] * share))
            for key in LENGTHS
            if isinstance(knobs.get(key), int) and knobs[key] > 0
        }
        yield from _built(task, {**changed, **lengths, "num_frames": fewer})


def _built(task: T, changed: dict[str, Json]) -> Iterator[T]:
    try:
        yield replace(task, **changed)
    except UsageError:
        return
