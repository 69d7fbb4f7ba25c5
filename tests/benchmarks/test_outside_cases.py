from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.outside_cases import CASES, GIVEN, given_folder, run
from kuleshov.dataset import load_samples, load_skips
from kuleshov.rendered import RenderConfig, render_set
from kuleshov.synthesize import MakeConfig, make


@pytest.mark.parametrize("name", CASES)
def test_what_public_reports_describe_is_right(name: str, tmp_path: Path) -> None:
    CASES[name].make(tmp_path / name)
    assert CASES[name].truth(tmp_path / name) == []


def test_another_file_has_another_truth(tmp_path: Path) -> None:
    for name, other in (("cat_same.ts", "zero_tail.mp4"), ("hflip.mp4", "h264_b.avi")):
        CASES[name].make(tmp_path / other)
        assert CASES[other].truth(tmp_path / other) != []
        assert CASES["cenc.mp4"].truth(tmp_path / other) != []


def test_files_of_a_folder_are_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KULESHOV_CASES", str(tmp_path))
    CASES["h264_b.avi"].make(tmp_path / "h264_b.avi")
    (tmp_path / "podcast.mp4").write_bytes(b"")
    assert given_folder() == tmp_path and set(GIVEN) <= set(CASES)
    found = run()
    assert (found["cases"], found["cases_wrong"]) == (len(CASES) + 2, 1)
    assert list(found["wrong"]) == [str(tmp_path / "podcast.mp4")]
    monkeypatch.setenv("KULESHOV_CASES", str(tmp_path / "gone"))
    assert given_folder() is None


def test_make_and_render_go_on_beside_them(short_clips: Path, tmp_path: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    for name, case in CASES.items():
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        case.make(videos / name)
    for path in short_clips.iterdir():
        os.link(path, videos / path.name)
    make(videos, out, MakeConfig(workers=0, tasks={"arrow": {}, "jigsaw": {}}))
    reasons = {skip.path: skip.reason for skip in load_skips(out) if skip.task is None}
    assert set(reasons) == {"cenc.mp4", "podcast.mp4"}
    sampled = {sample.provenance["videos"][0]["path"] for sample in load_samples(out)}
    assert sampled >= {"h264_b.avi", "xvid_b.avi", "cat_same.ts", "data [v2]/a [x1].mp4"}
    summary = render_set(out, tmp_path / "rendered", RenderConfig(workers=0))
    assert summary["skips"] == 0 and summary["samples"] == len(load_samples(out))
