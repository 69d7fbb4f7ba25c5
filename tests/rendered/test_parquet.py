from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from kuleshov.dataset import load_samples
from kuleshov.rendered import RenderConfig, render_set
from kuleshov.sample import Sample


def test_each_distinct_frame_of_a_shard_is_stored_once(data: Path, tmp_path: Path) -> None:
    summary = render_set(data, tmp_path, RenderConfig(workers=0))
    shown = stored = 0
    for path in sorted(tmp_path.glob("*.parquet")):
        rows = pq.read_table(path).to_pylist()
        frames = pq.read_table(tmp_path / "frames" / path.name).to_pydict()
        used = [key for row in rows for video in row["videos"] for key in video["frames"]]
        assert set(used) == set(frames["key"]) and len(set(used)) == len(frames["key"])
        assert len(set(frames["jpeg"])) == len(frames["jpeg"])
        shown, stored = shown + len(used), stored + len(frames["key"])
    assert (summary["frames"], summary["stored"]) == (shown, stored)
    # Per video 36 frames are shown. Those of counting and anomaly lie at the same 12 times, of
    # which at most 4 are perturbed and at most 3 drawn on.
    assert shown == 12 * 12 and stored <= 4 * (12 + 12 + 4 + 3)


def test_rows_hold_all_columns_of_the_set(data: Path, tmp_path: Path) -> None:
    render_set(data, tmp_path, RenderConfig(workers=0))
    rows = [
        row
        for split in ("train", "held_out")
        for row in pq.read_table(tmp_path / f"{split}-00000.parquet").to_pylist()
    ]
    for row, sample in zip(rows, load_samples(data), strict=True):
        videos = row.pop("videos")
        assert Sample.from_row(row) == sample
        assert [len(video["frames"]) for video in videos] == [len(m.frames) for m in sample.media]


def test_the_readme_says_how_to_read_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render_set(data, tmp_path, RenderConfig(format="parquet", workers=0))
    _, _, text = (tmp_path / "README.md").read_text().partition("\n---\n")
    code = "".join(line[4:] + "\n" for line in text.splitlines() if line.startswith("    "))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert [image.size for image in names["images"]] == [(64, 64)] * 12
