from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks import audit_proof
from kuleshov.audit import Findings
from kuleshov.audit.evidence import FrameFile
from kuleshov.rendered.jpeg import to_jpeg
from kuleshov.sample import MediaItem
from kuleshov.tasks.anomaly import Anomaly
from kuleshov.tasks.counting import Counting
from kuleshov.tasks.jigsaw import Jigsaw
from tests.audit.samples import a_sample, noise


def test_only_edited_frames_are_of_the_lower_quality() -> None:
    frames = noise(4, 16, 16)
    item = MediaItem((), 16, 16, ({"edit": "nothing", "start": 1, "stop": 3},))
    wanted = [95, 75, 75, 95]
    assert audit_proof.two_qualities(item, frames) == [
        FrameFile.of(to_jpeg(frame, quality)) for frame, quality in zip(frames, wanted, strict=True)
    ]


def test_told_times_sort_the_clips() -> None:
    (sample,) = audit_proof.told_times([a_sample(Jigsaw())])
    starts = [item.frames[0].shown_seconds for item in sample.media]
    assert (np.argsort(starts) + 1).tolist() == sample.answer


def test_named_answers_stand_at_the_end_of_the_prompt() -> None:
    sample = a_sample(Counting())
    (named,) = audit_proof.named_answers([sample])
    assert named.prompt == f"{sample.prompt} ({','.join(map(str, sample.answer))})"


def test_early_answers_are_one_for_each_video() -> None:
    samples = [a_sample(Anomaly(), seed) for seed in range(5)]
    (one,) = audit_proof.early_answers(samples)
    assert one.answer[0] == min(sample.answer[0] for sample in samples)


def test_a_task_whose_probes_were_not_run_has_not_passed() -> None:
    verdict = audit_proof._verdict("jigsaw", None, Findings())
    assert verdict["passed"] is False and verdict["worst_probe"] is None


def test_of_clips_that_stand_still_nothing_is_kept_that_would_tell_its_answer(
    tmp_path: Path,
) -> None:
    kept = audit_proof.kept_of_still_clips(tmp_path, clips=2, per_video=3)
    assert {"arrow", "jigsaw", "speed", "turned"} <= set(kept)
    assert {name: row["kept"] for name, row in kept.items()} == dict.fromkeys(kept, 0)
