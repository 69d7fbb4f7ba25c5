from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kuleshov.cli import app
from kuleshov.clips import write_clips
from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.pacing import fps_of, paced
from kuleshov.sample import Frame, MediaItem, Sample, Skip
from kuleshov.synthesize import MakeConfig, make
from kuleshov.tasks import TASKS, score, task_of
from kuleshov.tasks.anomaly import Anomaly
from kuleshov.tasks.speed import Speed
from tests.test_sample import a_sample

SMALL = {"min_pixels": 64 * 64, "max_pixels": 64 * 64}
MASKED = {"fps": 8.0, "max_similarity": 0.9999, "num_targets": 2, "num_distractors": 2}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips of 12 s, 144 frames."""
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder, 8, seed=7, seconds=12, workers=0)
    return folder


def made(clips: Path, out: Path, **changes: Any) -> list[Sample]:
    tasks: dict[str, dict[str, Any]] = {name: dict(SMALL) for name in TASKS}
    tasks["masked"] |= MASKED
    tasks["text_frames"] = {}
    tasks["text_order"] = {}
    make(clips, out, MakeConfig(workers=0, tasks=tasks, held_out=0.0, **changes))
    return load_samples(out)


def test_the_rate_is_that_of_the_fastest_video() -> None:
    def item(*shown: float) -> MediaItem:
        return MediaItem(tuple(Frame("v", 0.0, second) for second in shown), 4, 4)

    assert fps_of(_with()) == 0.0
    assert fps_of(_with(item(0, 1, 2), item(0, 0.25, 0.5, 0.75))) == 4.0
    assert fps_of(_with(item(3.0, 3.0), item(5.0))) == 0.0  # a still has no rate


def _with(*items: MediaItem) -> Sample:
    return replace(a_sample(), media=items)


def test_no_sample_is_faster_and_all_tasks_are_still_there(clips: Path, tmp_path: Path) -> None:
    before = made(clips, tmp_path / "before")
    after = made(clips, tmp_path / "after", max_fps=2.0)
    assert max(map(fps_of, before)) > 4.0
    assert max(map(fps_of, after)) <= 2.0
    assert {s.task for s in after} == {s.task for s in before} == set(TASKS)
    for sample in after:
        assert all(len(item.frames) % 2 == 0 or len(item.frames) == 1 for item in sample.media)
        # The knobs are those that it was made with, so it is graded by itself.
        task = task_of(sample)
        assert score(sample, task.completion(sample.answer)).total == pytest.approx(1.0)
    # What was slow enough is what it was.
    old = {sample.id: sample for sample in before}
    for sample in after:
        assert (sample.id in old) == (old.get(sample.id) == sample)
    assert any(sample.id in old for sample in after)
    fewer = [s for s in after if s.task == "anomaly"]
    assert {len(s.media[0].frames) for s in fewer} == {
        20
    }  # 5.4 s in the middle, at most 4 a second
    assert {s.knobs["max_segment"] for s in fewer} == {7}  # of 16 of 48
    # The audit takes the set as it takes any other.
    ran = CliRunner().invoke(app, ["check", str(tmp_path / "after")])
    assert "\n0 errors" in ran.output, ran.output


def test_a_set_without_a_limit_is_what_it_was(clips: Path, tmp_path: Path) -> None:
    config = MakeConfig(workers=0, tasks={"anomaly": SMALL}, held_out=0.0)
    make(clips, tmp_path, config)
    assert "max_fps" not in (tmp_path / "config.yaml").read_text()
    limited = MakeConfig(workers=0, tasks={"anomaly": SMALL}, held_out=0.0, max_fps=60.0)
    make(clips, tmp_path / "limited", limited)
    assert load_samples(tmp_path / "limited") == load_samples(tmp_path)
    assert "max_fps: 60.0" in (tmp_path / "limited" / "config.yaml").read_text()


def test_what_does_not_fit_fewer_frames_is_a_skip(clips: Path, tmp_path: Path) -> None:
    six = {"jigsaw": {**SMALL, "num_clips": 6}}
    made = make(clips, tmp_path, MakeConfig(workers=0, tasks=six, held_out=0.0, max_fps=0.5))
    assert made["samples"] == 0
    skips = [json.loads(line) for line in (tmp_path / "skips.jsonl").read_text().splitlines()]
    reason = "does not fit the fewer frames of 0.5 a second (make.max_fps)"
    assert len(skips) == 8 and all(reason in skip["reason"] for skip in skips)


def test_rows_of_your_own_are_slowed_down_too(clips: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"video": "clip-0000.mp4", "question": "Why?", "answer": "so"}))
    for knobs in ({}, {"fps": 10.0}):
        config = MakeConfig(
            workers=0,
            tasks={},
            held_out=0.0,
            max_fps=2.0,
            labelled={"path": str(rows), **SMALL, **knobs},
        )
        out = tmp_path / f"set-{len(knobs)}"
        make(clips, out, config)
        (sample,) = load_samples(out)
        assert 1.0 < fps_of(sample) <= 2.0 and len(sample.media[0].frames) % 2 == 0


def test_a_knob_fps_is_lowered_and_the_same_task_makes_the_same() -> None:
    asked: list[Speed] = []

    def make_one(task: Speed) -> Sample | Skip:
        asked.append(task)
        frames = tuple(Frame("v", 0.0, i / task.fps) for i in range(task.num_frames))
        return _with(MediaItem(frames, 4, 4))

    task, sample = paced(Speed(fps=8.0), 4.0, make_one)
    assert isinstance(sample, Sample) and (task.fps, fps_of(sample)) == (4.0, 4.0)
    assert asked == [Speed(fps=8.0), task]


def test_a_skip_is_a_skip() -> None:
    reason = Skip("v.mp4", "too short", "anomaly")
    assert paced(Anomaly(), 4.0, lambda task: reason) == (Anomaly(), reason)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_limit_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match=r"make: max_fps is .*; allowed: above 0, or null"):
        MakeConfig(max_fps=value)
