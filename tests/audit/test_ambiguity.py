from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kuleshov.audit.ambiguity import ambiguities
from kuleshov.edits import apply
from kuleshov.sample import Pixels, Sample
from kuleshov.tasks import task_of
from kuleshov.tasks.anomaly import Anomaly
from kuleshov.tasks.arrow import Arrow
from kuleshov.tasks.choice import Choice
from kuleshov.tasks.counting import Counting
from kuleshov.tasks.jigsaw import Jigsaw
from kuleshov.tasks.masked import Masked
from kuleshov.tasks.speed import Speed
from kuleshov.tasks.turned import Turned
from tests.audit.samples import a_sample, noise


def found(sample: Sample, base: list[Pixels]) -> list[str]:
    task = task_of(sample)
    off = task.switched_off(sample)
    assert off is not None
    shown = [apply(p, item.edits) for p, item in zip(base, sample.media, strict=True)]
    without = [apply(p, item.edits) for p, item in zip(base, off.media, strict=True)]
    return [f.text for f in ambiguities(sample, task.units(sample), shown, off, without)]


def test_mirroring_a_symmetric_frame_changes_nothing() -> None:
    sample = a_sample(Anomaly(kinds=("mirror",)))
    frames = noise(48, 32, 32)
    assert found(sample, [frames]) == []
    symmetric = np.concatenate([frames, frames[:, :, ::-1]], axis=2)
    assert found(sample, [symmetric]) == ["the effect changes nothing that can be seen"]


def test_a_first_frame_that_looks_as_before_makes_the_interval_unclear() -> None:
    sample = a_sample(Anomaly(kinds=("invert",)))
    (edit,) = sample.media[0].edits
    frames = noise(48, 32, 32)
    frames[edit["start"]] = 127  # inverted: 128
    assert found(sample, [frames]) == [f"the effect cannot be seen on frame {edit['start'] + 1}"]
    frames = noise(48, 32, 32)
    frames[edit["start"] + 1] = 127  # within the segment it moves no end
    assert found(sample, [frames]) == []


def test_a_shape_in_the_colour_of_its_ground_cannot_be_counted() -> None:
    sample = a_sample(Counting())
    (item,) = sample.media
    first = item.edits[0]["start"]
    assert found(sample, [noise(48, 128, 128)]) == []
    grey = tuple({**e, "color": [90, 90, 90]} if e["start"] == first else e for e in item.edits)
    camouflaged = replace(sample, media=(replace(item, edits=grey),))
    ground = noise(48, 128, 128)
    ground[first] = 90
    texts = found(camouflaged, [ground])
    assert texts == [f"the effect cannot be seen on frame {first + 1}"]


def test_clips_of_a_static_video_look_the_same() -> None:
    sample = a_sample(Jigsaw(num_clips=3))
    clips = [noise(16, 16, 16, seed=i) for i in range(3)]
    task = task_of(sample)

    def texts(clips: list[Pixels]) -> list[str]:
        return [f.text for f in ambiguities(sample, task.units(sample), clips, None, None)]

    assert texts(clips) == []
    assert texts([clips[0], clips[1], clips[0]]) == ["media items 1 and 3 look the same"]
    assert texts([clips[0]] * 3) == ["media items 1, 2 and 3 look the same"]


def test_identical_candidates_are_found_but_shown_frames_are_not_asked_about() -> None:
    task = Masked()
    frame = noise(2, 16, 16)
    stills = [noise(2, 16, 16, seed=i) for i in range(1, 6)]
    sample = a_sample(Anomaly())
    sample = replace(sample, task="masked", answer=[1, 2, 3], knobs=task.knobs())
    item = replace(sample.media[0], frames=sample.media[0].frames[:2], edits=())
    sample = replace(sample, media=(item,) * 7)
    units = task.units(sample)
    shown = [frame, frame, *stills]
    assert [f.text for f in ambiguities(sample, units, shown, None, None)] == []
    shown = [noise(2, 16, 16, seed=9), frame, *stills[:4], frame]
    assert [f.text for f in ambiguities(sample, units, shown, None, None)] == [
        "media items 2 and 7 look the same"
    ]


def unanswerable(sample: Sample, video: Pixels) -> bool:
    """Whether another answer would look the same; `video` has a frame for each source time."""
    task = task_of(sample)
    off, versions = task.switched_off(sample), task.versions(sample)
    assert off is not None
    used = [frame.source_seconds for one in (off, *versions) for frame in one.media[0].frames]
    times = sorted(set(used))

    def shown(one: Sample) -> list[Pixels]:
        (item,) = one.media
        places = [times.index(frame.source_seconds) for frame in item.frames]
        return [apply(video[places], item.edits)]

    compared = [(version, shown(version)) for version in versions]
    found = ambiguities(sample, task.units(sample), shown(sample), off, shown(off), compared)
    return [f.text for f in found] == ["with another answer it would look the same"]


@pytest.mark.parametrize("task", [Arrow(), Speed(num_frames=8), Turned()], ids=lambda t: t.name)
def test_what_cannot_be_answered_is_found_whatever_its_answer_is(task: Choice) -> None:
    samples = [a_sample(task, seed) for seed in range(30)]
    assert len({task.right(sample) for sample in samples}) == len(task.options(samples[0]))
    moving, picture = noise(200, 32, 32), noise(1, 32, 16)
    symmetric = np.concatenate([picture, picture[:, :, ::-1]], axis=2)
    still = np.repeat(symmetric, 200, axis=0)
    assert not any(unanswerable(sample, moving) for sample in samples)
    assert all(unanswerable(sample, still) for sample in samples)


def test_a_version_is_the_sample_itself() -> None:
    for task in (Arrow(), Speed(num_frames=8), Turned()):
        for seed in range(5):
            sample = a_sample(task, seed)
            assert [v.media for v in task.versions(sample)].count(sample.media) == 1
