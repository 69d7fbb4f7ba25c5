from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kuleshov.clips import FPS, KINDS, SECONDS, SIZE, clip, write_clips
from kuleshov.frames import scan


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_goes_one_way(kind: str) -> None:
    """Something in the picture changes steadily: late frames are far from early ones."""
    frames = clip(0, 0, kind).astype(float)
    apart = [np.abs(frames[i] - frames[0]).mean() for i in (2, len(frames) - 1)]
    assert frames.shape == (round(SECONDS * FPS), SIZE, SIZE, 3)
    assert apart[1] > 2 * apart[0]


def test_the_same_seed_and_index_give_the_same_clip_and_others_differ() -> None:
    assert (clip(1, 2) == clip(1, 2)).all()
    assert not (clip(1, 2) == clip(1, 3)).all()
    assert not (clip(1, 2) == clip(2, 2)).all()


def test_all_kinds_come_up() -> None:
    first = [clip(0, index, seconds=2 / FPS) for index in range(40)]
    alone = {k: [clip(0, index, k, seconds=2 / FPS) for index in range(40)] for k in KINDS}
    seen = {
        k
        for k, frames in alone.items()
        for a, b in zip(first, frames, strict=True)
        if (a == b).all()
    }
    assert seen == set(KINDS)


def test_written_clips_can_be_read_and_are_kept(tmp_path: Path) -> None:
    write_clips(tmp_path, 2, seed=3, workers=0)
    before = (tmp_path / "clip-0000.mp4").stat().st_mtime_ns
    write_clips(tmp_path, 3, seed=3, workers=0)
    assert (tmp_path / "clip-0000.mp4").stat().st_mtime_ns == before
    info = scan(tmp_path / "clip-0002.mp4")
    assert (info.num_frames, info.width, info.end) == (48, SIZE, SECONDS)
    assert not list(tmp_path.glob("*.part*"))


def test_workers_change_no_clip(tmp_path: Path) -> None:
    for workers in (0, 2):
        write_clips(tmp_path / str(workers), 3, seed=3, seconds=1, workers=workers)
    one, two = (sorted((tmp_path / name).iterdir()) for name in ("0", "2"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert len(one) == 3
