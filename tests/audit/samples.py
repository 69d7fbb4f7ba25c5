"""Samples and what probes see of them, without videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kuleshov.audit.evidence import Evidence, Jpeg
from kuleshov.audit.leaks import Looked
from kuleshov.sample import MediaItem, Pixels, Sample
from kuleshov.tasks import Task, task_of
from kuleshov.tasks.task import Unit
from tests.conftest import a_video


def a_sample(task: Task, seed: int = 0, num_frames: int = 120) -> Sample:
    """One question about a video that exists only as a description."""
    video = a_video(num_frames)
    sample = task.synthesize(video, np.random.default_rng(seed), lambda n: [])
    assert isinstance(sample, Sample)
    return sample


def evidence(sample: Sample, pixels: Sequence[Pixels], units: list[Unit] | None = None) -> Evidence:
    files = [Jpeg()(MediaItem((), 0, 0), frames) for frames in pixels]
    return Evidence(sample, units or task_of(sample).units(sample), pixels, files)


def noise(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def looked(sample: Sample, video: int, units: list[Unit]) -> Looked:
    return Looked(replace(sample, video_ids=(str(video),), id=f"{video:016x}"), units)
