"""Samples of made-up frames, with videos and images of different sizes and clocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kuleshov.sample import Frame, MediaItem, Sample
from tests.test_sample import a_sample


def item(*shown: float, height: int = 56, width: int = 84) -> MediaItem:
    return MediaItem(tuple(Frame("v", 9.0, second) for second in shown), height, width)


def noise(sample: Sample) -> list[Any]:
    rng = np.random.default_rng(len(sample.prompt))
    return [
        rng.integers(0, 256, (len(m.frames), m.height, m.width, 3), dtype=np.uint8)
        for m in sample.media
    ]


MIXED = replace(
    a_sample(),
    prompt="a <image> b <video> c <video> d <image>",
    media=(item(0, height=28, width=28), item(0, 1, 2, 6), item(0, 0.5), item(0)),
)
