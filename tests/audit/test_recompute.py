from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kuleshov.audit.recompute import contradictions
from kuleshov.edits import apply
from kuleshov.sample import Frame, MediaItem, Pixels, Sample
from kuleshov.tasks import task_of
from kuleshov.tasks.anomaly import Anomaly
from kuleshov.tasks.counting import Counting
from kuleshov.tasks.jigsaw import Jigsaw
from kuleshov.tasks.masked import Masked
from kuleshov.tasks.task import Task
from tests.audit.samples import a_sample, noise


def against(sample: Sample) -> list[str]:
    base = [noise(len(item.frames), 32, 32) for item in sample.media]
    off = task_of(sample).switched_off(sample)
    assert off is not None
    shown = [apply(p, item.edits) for p, item in zip(base, sample.media, strict=True)]
    without = [apply(p, item.edits) for p, item in zip(base, off.media, strict=True)]
    return [finding.text for finding in contradictions(sample, shown, without)]


@pytest.mark.parametrize(
    "task", [Anomaly(kinds=("invert",)), Anomaly(kinds=("zoom_out",)), Counting(), Jigsaw()]
)
def test_true_answers_stand(task: Task) -> None:
    for seed in range(3):
        assert against(a_sample(task, seed)) == []


def test_an_interval_that_is_off_by_a_frame_is_contradicted() -> None:
    sample = a_sample(Anomaly(kinds=("invert",)))
    step = sample.media[0].frames[1].shown_seconds
    late = replace(sample, answer=[sample.answer[0] + step, sample.answer[1]])
    assert "the changed frames are" in against(late)[0]


def test_a_count_that_is_off_by_one_is_contradicted() -> None:
    sample = a_sample(Counting())
    wrong = replace(sample, answer=[sample.answer[0] + 1, *sample.answer[1:]])
    assert "the recipe draws" in against(wrong)[0]


def test_another_order_is_contradicted() -> None:
    sample = a_sample(Jigsaw())
    wrong = replace(sample, answer=sample.answer[::-1])
    assert "source times say" in against(wrong)[0]


def masked(answer: list[int]) -> tuple[Sample, list[Pixels]]:
    """Frames at 0 to 7 s, of which 3, 4 and 5 are grey; candidates 5, 1.5, 3, 4."""
    seconds = [5.0, 1.5, 3.0, 4.0]
    context = MediaItem(tuple(Frame("v", float(s), float(s)) for s in range(8)), 16, 16)
    stills = [MediaItem((Frame("v", s, 0.0),) * 2, 16, 16) for s in seconds]
    sample = a_sample(Anomaly())
    media, knobs = (context, *stills), Masked().knobs()
    sample = replace(sample, task="masked", media=media, answer=answer, knobs=knobs)
    shown = [noise(8, 16, 16), *(noise(2, 16, 16, seed=i) for i in range(4))]
    shown[0][3:6] = 128
    return sample, shown


def test_grey_frames_are_found_among_the_candidates() -> None:
    sample, shown = masked([3, 4, 1])
    assert contradictions(sample, shown, []) == []
    sample, shown = masked([3, 1, 4])
    (finding,) = contradictions(sample, shown, [])
    assert finding.text == "the grey frames are [3, 4, 1], not [3, 1, 4]"


def test_tasks_that_are_not_known_are_left_alone() -> None:
    sample = replace(a_sample(Jigsaw()), task="other")
    assert contradictions(sample, [np.zeros((1, 1, 1, 3), np.uint8)], []) == []
