from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import fuzz
from benchmarks.fuzz import Fuzz
from kuleshov.clips import clip
from kuleshov.errors import UnreadableVideoError, UsageError
from kuleshov.runners import Failed, runner
from kuleshov.sample import Sample
from kuleshov.synthesize import MakeConfig, make
from tests.frames.encoded import encode


@pytest.fixture(scope="module")
def sources(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips in mp4 and one each in mkv and webm."""
    folder = tmp_path_factory.mktemp("sources")
    for path in sorted(clips.iterdir())[:2]:
        shutil.copy(path, folder)
    frames = clip(3, 1, seconds=10)
    encode(folder / "open.mkv", "libx264", {"g": "12", "x264-params": "open-gop=1"}, frames)
    encode(folder / "v.webm", "libvpx-vp9", {"g": "12", "deadline": "realtime"}, frames)
    return folder


def test_damaged_files_end_as_samples_or_skips(sources: Path, tmp_path: Path) -> None:
    counts = Fuzz(sources, seed=0, keep=tmp_path, workers=2).run(30)
    assert (counts.files, counts.crashes, counts.hangs) == (30, 0, 0)
    assert counts.sampled + counts.skipped == 30
    assert min(counts.sampled, counts.skipped) > 3
    assert list(tmp_path.iterdir()) == []


def test_the_reasons_that_count_are_those_that_a_runner_gives() -> None:
    (dead,) = runner("local", 1).map(os._exit, [9])
    (slow,) = runner("local", 1, replace(fuzz.LIMITS, seconds=1.0)).map(time.sleep, [30])
    assert isinstance(dead, Failed) and dead.reason.startswith(fuzz.DIED)
    assert isinstance(slow, Failed) and slow.reason == fuzz.HUNG.replace("60", "1")


def test_an_error_of_make_is_blamed_on_its_file(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(root: Path, out: Path, config: MakeConfig) -> dict[str, Any]:
        if any(path.name.startswith("000004") for path in root.iterdir()):
            raise ZeroDivisionError
        return make(root, out, config)

    monkeypatch.setattr(fuzz, "make", made)
    counts = Fuzz(sources, seed=0, keep=tmp_path, workers=0).run(6)
    assert (counts.files, counts.crashes) == (6, 1)
    assert counts.sampled + counts.skipped == 6
    assert [path.name[:6] for path in tmp_path.iterdir()] == ["000004"]


def test_an_error_of_render_is_a_crash_and_damage_is_not(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rendered(sample: Sample, root: Path) -> None:
        raise ZeroDivisionError if sample.task == "jigsaw" else UnreadableVideoError("no frame")

    monkeypatch.setattr(fuzz, "render", rendered)
    counts = Fuzz(sources, seed=0, keep=tmp_path, workers=0).run(6)
    assert counts.crashes == counts.sampled > 0


def test_a_folder_of_which_no_clip_gives_samples_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_text("no video")
    with pytest.raises(UsageError, match=r"no clip in .* has 48 frames or more"):
        fuzz.sources(tmp_path)


def test_without_a_folder_the_command_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KULESHOV_TEST_VIDEOS", raising=False)
    monkeypatch.setattr(sys, "argv", ["fuzz"])
    with pytest.raises(SystemExit):
        fuzz.main()
    assert "set KULESHOV_TEST_VIDEOS" in capsys.readouterr().err
