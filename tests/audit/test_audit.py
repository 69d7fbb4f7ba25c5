from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kuleshov.audit import audit
from kuleshov.dataset import load_samples, write
from kuleshov.sample import MediaItem, Sample
from kuleshov.synthesize import MakeConfig, make


@pytest.fixture
def samples(short_clips: Path, tmp_path: Path) -> list[Sample]:
    make(
        short_clips, tmp_path / "made", MakeConfig(workers=0, tasks={"jigsaw": {}, "counting": {}})
    )
    return load_samples(tmp_path / "made")


def audited(samples: list[Sample], videos: Path, out: Path) -> list[str]:
    write(out, samples, {"videos": str(videos)})
    return [str(error) for error in audit(out).errors]


def test_a_sound_set_has_no_errors_and_its_floors(
    samples: list[Sample], short_clips: Path, tmp_path: Path
) -> None:
    write(tmp_path / "set", samples, {"videos": str(short_clips)})
    findings = audit(tmp_path / "set")
    assert findings.errors == []
    assert [floor.task for floor in findings.floors] == ["counting", "jigsaw"]
    for floor in findings.floors:
        assert 0 < floor.chance < floor.best_constant < 1


def test_a_wrong_gold_answer_is_found(
    samples: list[Sample], short_clips: Path, tmp_path: Path
) -> None:
    wrong = replace(samples[0], answer=[1, 1, 1] if samples[0].task == "jigsaw" else [0, 1])
    errors = audited([wrong], short_clips, tmp_path / "set")
    assert len(errors) == 1 and "its own answer" in errors[0] and "not 1" in errors[0]


def test_media_that_cannot_be_rendered_are_found(samples: list[Sample], tmp_path: Path) -> None:
    errors = audited(samples[:1], tmp_path, tmp_path / "set")
    assert len(errors) == 1 and "cannot be rendered" in errors[0]


def test_media_that_do_not_match_are_found(
    samples: list[Sample], short_clips: Path, tmp_path: Path
) -> None:
    first = samples[0].media[0]
    late = MediaItem(
        tuple(frame._replace(source_seconds=99.0) for frame in first.frames),
        first.height,
        first.width,
    )
    changed = replace(samples[0], media=(late, *samples[0].media[1:]))
    errors = audited([changed], short_clips, tmp_path / "set")
    assert len(errors) == 1 and "no frame at 99.000 s" in errors[0]
