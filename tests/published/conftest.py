"""Rows as the official scripts write them, and the pictures that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

FPS = 4.8
SYSTEM = "Based on this video, provide the answer directly."
Row = dict[str, Any]


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of 48 pictures of 96 x 64 pixels; of the first one, some perturbed."""
    root = tmp_path_factory.mktemp("frames")
    for name, red in (("a/one", 40), ("two", 200)):
        folder = root / name
        folder.mkdir(parents=True)
        for i in range(48):
            picture = np.full((64, 96, 3), (red, 5 * i, 90), np.uint8)
            picture[:, :48] //= 2
            Image.fromarray(picture).save(folder / f"{i}.jpg", quality=95)
    for i in range(10, 22):
        picture = np.asarray(Image.open(root / "a/one" / f"{i}.jpg"))[:, ::-1]
        Image.fromarray(picture).save(root / "a/one" / f"{i}_mirror.jpg", quality=95)
    return root


def clip(paths: list[str]) -> Row:
    limits = {"max_pixels": 256 * 256, "min_pixels": 128 * 128}
    return {"video": paths, "sample_fps": FPS, **limits}


def a_row(source: str, user: str, videos: list[Row], answer: str, video: str) -> Row:
    return {
        "data_source": source,
        "prompt": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}],
        "videos": videos,
        "ability": "video_understanding",
        "reward_model": {"style": "rule", "ground_truth": answer},
        "extra_info": {"split": "train", "answer": answer, "video_id": video},
    }


def grounding(video: str = "a/one") -> Row:
    """Frames 10 to 21 of 48 are mirrored: 10 / 4.8 = 2.08 s to 22 / 4.8 = 4.58 s."""
    names = [f"{i}_mirror.jpg" if 10 <= i < 22 else f"{i}.jpg" for i in range(48)]
    paths = [f"{video}/{name}" for name in names]
    return a_row("grounding", "<video>\nWhen?", [clip(paths)], "2.1-4.6", video)


def counting(answer: str = "3,1,4", video: str = "two") -> Row:
    paths = [f"{video}/{i}.jpg" for i in range(48)]
    return a_row("counting", "<video>\nHow many?", [clip(paths)], answer, video)


def jigsaw(video: str = "two") -> Row:
    """Six clips; shown are clips 2, 5, 1, 0, 3, 4: the answer is where each one is."""
    shown = [2, 5, 1, 0, 3, 4]
    clips = [clip([f"{video}/{i}.jpg" for i in range(8 * k, 8 * k + 8)]) for k in shown]
    user = "\n".join(f"Clip {i + 1}: <video>" for i in range(6)) + "\nIn which order?"
    return a_row("shuffled", user, clips, "431562", video)


def write(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path
