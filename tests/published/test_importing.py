from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuleshov.audit import audit
from kuleshov.cli import app
from kuleshov.dataset import load_samples, load_skips, videos_root
from kuleshov.errors import UsageError, WriteError
from kuleshov.published import PublishedConfig, import_rows
from tests.published.conftest import counting, grounding, jigsaw, write
from tests.test_synthesize import all_bytes


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    folder = tmp_path / "rows"
    write(folder / "mirror.parquet", [grounding()])
    write(folder / "counting.parquet", [counting(), counting("9,9,9", "a/one")])
    write(folder / "counting_h.parquet", [counting("2,2,2"), counting("1,16,1", "a/one")])
    write(folder / "jigsaw6.parquet", [jigsaw()])
    return folder


def test_published_rows_become_a_set_like_any_other(
    rows: Path, frames: Path, tmp_path: Path
) -> None:
    summary = import_rows(rows, tmp_path / "out", PublishedConfig(frames=str(frames)))
    assert summary["tasks"] == {
        "counting": {"train": 2, "held_out": 0},
        "counting_hard": {"train": 2, "held_out": 0},
        "jigsaw_6": {"train": 1, "held_out": 0},
        "mirror": {"train": 1, "held_out": 0},
    }
    assert summary["videos"] == {"train": 2, "held_out": 0} and summary["skips"] == 0
    assert videos_root(tmp_path / "out") == frames
    findings = audit(tmp_path / "out")
    assert findings.errors == []
    assert [floor.samples for floor in findings.floors] == [2, 2, 1, 1]


def test_a_benchmark_is_held_out(rows: Path, frames: Path, tmp_path: Path) -> None:
    import_rows(rows, tmp_path / "out", PublishedConfig(frames=str(frames), held_out=1.0))
    assert {sample.split for sample in load_samples(tmp_path / "out")} == {"held_out"}


def test_a_bad_row_is_a_skip_that_says_where_it_stands(frames: Path, tmp_path: Path) -> None:
    away = counting()
    away["videos"] = [{**away["videos"][0], "video": ["../../secret.jpg"] * 48}]
    rows = write(tmp_path / "bad.parquet", [counting(), away, counting("none")])
    import_rows(rows, tmp_path / "out", PublishedConfig(frames=str(frames)))
    skips = load_skips(tmp_path / "out")
    assert [skip.path for skip in skips] == ["bad.parquet, row 2", "bad.parquet, row 3"]
    assert "lies outside of" in skips[0].reason and "no answer of counting" in skips[1].reason
    assert len(load_samples(tmp_path / "out")) == 1


def test_a_damaged_picture_is_a_skip(frames: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames" / "two"
    folder.mkdir(parents=True)
    for i in range(48):
        (folder / f"{i}.jpg").write_bytes(b"no picture")
    rows = write(tmp_path / "x.parquet", [counting()])
    summary = import_rows(rows, tmp_path / "out", PublishedConfig(frames=str(folder.parent)))
    assert (summary["samples"], summary["skips"]) == (0, 1)


def test_workers_and_a_kill_change_no_byte(
    rows: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PublishedConfig(frames=str(frames))
    import_rows(rows, tmp_path / "whole", whole)
    import_rows(rows, tmp_path / "two", PublishedConfig(frames=str(frames), workers=2))
    assert all_bytes(tmp_path / "two") == all_bytes(tmp_path / "whole")
    left = 3

    def full_after_some(file: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full_after_some)
        with pytest.raises(WriteError):
            import_rows(rows, tmp_path / "out", whole)
    import_rows(rows, tmp_path / "out", whole)
    assert all_bytes(tmp_path / "out") == all_bytes(tmp_path / "whole")


def test_the_command_line_imports_views_and_renders(
    rows: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ["import", str(rows), "-o", str(out), "--frames", str(frames), "--workers", "0"]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0 and "6 samples and 0 skips" in ran.output
    assert CliRunner().invoke(app, ["view", str(out)]).exit_code == 0
    rendered = ["render", str(out), "-o", str(tmp_path / "rendered"), "--workers", "0"]
    ran = CliRunner().invoke(app, rendered)
    assert ran.exit_code == 0 and "6 samples and 0 skips" in ran.output


def test_what_cannot_be_imported_says_what_to_give(frames: Path, tmp_path: Path) -> None:
    config = PublishedConfig(frames=str(frames))
    with pytest.raises(UsageError, match="holds no Parquet file; give the folder that holds"):
        import_rows(tmp_path, tmp_path / "out", config)
    rows = write(tmp_path / "rows" / "x.parquet", [counting()])
    with pytest.raises(UsageError, match="is not a folder; give the one that holds the frames"):
        import_rows(rows, tmp_path / "out", PublishedConfig(frames=str(tmp_path / "no")))
    with pytest.raises(UsageError, match=r"held_out is 2\.0; allowed: 0 to 1"):
        PublishedConfig(frames=str(frames), held_out=2.0)
