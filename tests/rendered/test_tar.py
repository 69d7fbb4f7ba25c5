from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kuleshov.rendered import RenderConfig, render_set


def test_rows_follow_the_frames_that_they_show(data: Path, tmp_path: Path) -> None:
    summary = render_set(data, tmp_path, RenderConfig(format="tar", workers=0))
    frames, rows = [], 0
    for path in sorted(tmp_path.glob("*.tar")):
        seen: set[str] = set()
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".jpg"):
                    assert member.name not in seen
                    seen.add(member.name)
                    continue
                file = tar.extractfile(member)
                assert file is not None
                row = json.loads(file.read())
                assert member.name == f"{row['id']}.json"
                assert {name for video in row["videos"] for name in video["frames"]} <= seen
                shown = [[f["shown_seconds"] for f in item["frames"]] for item in row["media"]]
                assert [video["seconds"] for video in row["videos"]] == shown
                rows += 1
        frames += sorted(seen)
    assert (rows, len(frames)) == (12, summary["stored"])


def test_headers_say_nothing_of_when_and_by_whom(data: Path, tmp_path: Path) -> None:
    render_set(data, tmp_path, RenderConfig(format="tar", workers=0))
    with tarfile.open(tmp_path / "train-00000.tar") as tar:
        said = {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in tar}
    assert said == {(0, 0, 0, "", "", 0o644)}


def test_the_readme_says_how_to_read_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render_set(data, tmp_path, RenderConfig(format="tar", workers=0))
    _, _, text = (tmp_path / "README.md").read_text().partition("\n---\n")
    code = "".join(line[4:] + "\n" for line in text.splitlines() if line.startswith("    "))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert [image.size for image in names["images"]] == [(64, 64)] * 12
