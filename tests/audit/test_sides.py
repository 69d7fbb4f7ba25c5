from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kuleshov.audit.sides import on_both_sides
from kuleshov.clips import FPS, clip
from kuleshov.frames import write_video
from kuleshov.read import read_video
from kuleshov.sample import Sample, Split, Video
from kuleshov.tasks.jigsaw import Jigsaw
from tests.audit.samples import a_sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clip, the same a little darker, and another one."""
    frames = clip(3, 0)
    darker = (frames.astype(float) * 0.9).astype(np.uint8)
    for name, pixels in [("a", frames), ("b", darker), ("c", clip(3, 5))]:
        write_video(tmp_path / f"{name}.mp4", pixels, FPS)
    return tmp_path


def of(folder: Path, name: str, split: Split) -> Sample:
    video = read_video(folder, f"{name}.mp4")
    assert isinstance(video, Video)
    provenance = {"videos": [{"id": video.id, "path": video.path}]}
    return replace(a_sample(Jigsaw()), split=split, video_ids=(video.id,), provenance=provenance)


def texts(folder: Path, *samples: tuple[str, Split]) -> list[str]:
    given = [of(folder, *each) for each in samples]
    uses = [(s.split, video["id"], video["path"]) for s in given for video in s.videos]
    return [f.text for f in on_both_sides(uses, folder)]


def test_near_duplicates_on_both_sides_are_found(folder: Path) -> None:
    (text,) = texts(folder, ("a", "train"), ("b", "held_out"), ("c", "train"))
    assert "a.mp4" in text and "b.mp4" in text and "shows the same as" in text


def test_the_same_video_on_both_sides_is_found(folder: Path) -> None:
    assert texts(folder, ("a", "train"), ("a", "held_out"), ("c", "train")) == [
        "a.mp4 is used on both sides of the split"
    ]


def test_near_duplicates_on_one_side_are_fine(folder: Path) -> None:
    assert texts(folder, ("a", "train"), ("b", "train"), ("c", "held_out")) == []
