from __future__ import annotations

import numpy as np
import pytest

from kuleshov.features import embedder


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    vectors = embedder("thumbnail")(np.stack([a, b]))
    return float(vectors[0] @ vectors[1])


def frame(left: int, right: int) -> np.ndarray:
    pixels = np.full((16, 16, 3), left, np.uint8)
    pixels[:, 8:] = right
    return pixels


def test_brightness_does_not_matter_and_place_does() -> None:
    # 40 | 60 and 140 | 160 are both -10 | +10 around their mean; 60 | 40 is the opposite.
    # Constant part 1 per pixel: cosine = (-100 + 1) / (100 + 1) for the opposite.
    assert similarity(frame(40, 60), frame(140, 160)) == pytest.approx(1)
    assert similarity(frame(40, 60), frame(60, 40)) == pytest.approx(-99 / 101)


def test_flat_frames_are_alike_whatever_their_brightness() -> None:
    assert similarity(frame(0, 0), frame(255, 255)) == pytest.approx(1)


def test_a_flat_frame_is_unlike_one_with_contrast() -> None:
    # (0 * 100 + 1) / (1 * sqrt(101)).
    assert similarity(frame(50, 50), frame(40, 60)) == pytest.approx(1 / np.sqrt(101))
