from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kuleshov.audit import audit, learn
from kuleshov.audit.leaks import MIN_VIDEOS
from kuleshov.audit.probes import PROBES
from kuleshov.clips import write_clips
from kuleshov.dataset import load_samples, write
from kuleshov.rendered import RenderConfig, render_set
from kuleshov.report.check import write_check
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


def test_few_videos_are_said_to_be_too_few_for_probes(
    samples: list[Sample], short_clips: Path, tmp_path: Path
) -> None:
    write(tmp_path / "set", samples, {"videos": str(short_clips)})
    findings = audit(tmp_path / "set")
    notes = [warning for warning in findings.warnings if warning.kind == "note"]
    assert [note.task for note in notes] == ["counting", "jigsaw"]
    assert all("12 videos are too few" in note.text for note in notes)
    assert findings.probes == []


def test_without_the_library_everything_but_probes_is_done_and_said(
    samples: list[Sample], short_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learn, "available", lambda: False)
    wrong = replace(samples[0], answer=samples[0].answer[::-1])
    write(tmp_path / "set", [wrong, *samples[1:]], {"videos": str(short_clips)})
    findings = audit(tmp_path / "set")
    assert len(findings.errors) == 1
    assert findings.examined == {"counting": 12, "jigsaw": 12}
    assert any("pip install 'kuleshov[audit]'" in w.text for w in findings.warnings)


@pytest.fixture(scope="module")
def many_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    write_clips(folder, 2 * MIN_VIDEOS, seed=3, workers=0)
    return folder


SMALL = {"min_pixels": 64 * 64, "max_pixels": 64 * 64}


def made(videos: Path, out: Path, **knobs: object) -> list[Sample]:
    make(videos, out, MakeConfig(workers=0, tasks={"jigsaw": {**SMALL, **knobs}}))
    return load_samples(out)


def with_its_times(item: MediaItem) -> MediaItem:
    return replace(
        item, frames=tuple(f._replace(shown_seconds=f.source_seconds) for f in item.frames)
    )


def test_leaks_are_errors_and_the_page_shows_them(many_clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    samples = made(many_clips, out, clip_trim=0.0)
    told = [replace(sample, media=tuple(map(with_its_times, sample.media))) for sample in samples]
    write(out, told, {"videos": str(many_clips)})
    findings = audit(out)
    leaks = {row.probe for row in findings.probes if row.verdict == "leak"}
    # The prompt probe sees the clock too, beside the numbers of the prompt.
    assert leaks == {"times", "boundary", "prompt"}
    assert {error.kind for error in findings.errors} == {"leak"}
    assert findings.worst()[0].probe in leaks
    page = tmp_path / "check.html"
    write_check(page, "set", findings)
    text = page.read_text()
    assert text.count('<span class="bad">leak</span>') == 6 and "of the cuts show" in text
    assert all(f"<dt>{name}</dt>" in text for name in PROBES)


def test_a_sound_set_has_no_leak_and_files_of_render_are_read(
    many_clips: Path, tmp_path: Path
) -> None:
    made(many_clips, tmp_path / "set")
    render_set(tmp_path / "set", tmp_path / "jpeg", RenderConfig(format="tar", quality=60))
    own = audit(tmp_path / "set")
    rendered = audit(tmp_path / "set", rendered=tmp_path / "jpeg")
    assert own.errors == rendered.errors == []
    of = [[r for r in f.probes if (r.probe, r.on) == ("sizes", "set")] for f in (own, rendered)]
    assert of[0] != of[1]
