from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from kuleshov.clips import clip
from kuleshov.dataset import load_samples
from kuleshov.frames import decode, decode_all
from kuleshov.media import render
from kuleshov.rendered import RenderConfig, load, render_set
from kuleshov.rendered.formats import FORMATS
from kuleshov.synthesize import MakeConfig, make


def test_every_file_shows_its_frames_at_the_times_of_its_row(
    videos: Path, data: Path, tmp_path: Path
) -> None:
    render_set(data, tmp_path, RenderConfig(format="mp4", workers=0))
    samples = {sample.id: sample for sample in load_samples(data)}
    lines = [
        line for path in tmp_path.glob("*-00000.jsonl") for line in path.read_text().splitlines()
    ]
    named = []
    for row in map(json.loads, lines):
        pixels = render(samples[row["id"]], videos)
        for i, (video, true) in enumerate(zip(row["videos"], pixels, strict=True)):
            assert video["file"] == f"{row['split']}-00000/{row['id']}.{i}.mp4"
            seconds, frames = decode_all(tmp_path / video["file"])
            assert seconds == video["seconds"]
            assert np.abs(frames.astype(int) - true).mean() < 6
            # Asked by time, in any order, the file gives the same frames.
            asked = decode(tmp_path / video["file"], seconds[::-1], true.shape[1:3])
            assert (asked[::-1] == frames).all()
            named.append(video["file"])
    assert sorted(named) == sorted(
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.mp4")
    )


def test_a_sample_without_media_is_read_back_without_frames(videos: Path, tmp_path: Path) -> None:
    make(videos, tmp_path / "set", MakeConfig(tasks={"text_order": {}}, workers=0))
    render_set(tmp_path / "set", tmp_path / "out", RenderConfig(format="mp4", workers=0))
    shown = list(load(tmp_path / "out"))
    assert [item.sample for item in shown] == load_samples(tmp_path / "set")
    assert len(shown) == 4 and all(item.frames == [] == item.seconds for item in shown)


def test_the_same_frames_at_other_times_are_another_video() -> None:
    frames, pieces = clip(3, 1, seconds=1)[:3], dict[str, bytes]()
    keys = [
        FORMATS["mp4"].encode(frames, seconds, 22, pieces)[0]
        for seconds in ([0.0, 1.0, 2.0], [0.0, 1.0, 3.0], [0.0, 1.0, 2.0])
    ]
    assert keys[0] == keys[2] != keys[1] and len(pieces) == 2
