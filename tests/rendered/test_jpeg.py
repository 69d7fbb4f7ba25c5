from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from kuleshov.clips import clip
from kuleshov.edits import EDITS, apply
from kuleshov.rendered.formats import FORMATS
from kuleshov.rendered.jpeg import frame_key, from_jpegs, to_jpeg

FRAMES = clip(3, 1, seconds=1)[:4]
JPEG = FORMATS["parquet"]


def test_edited_and_untouched_frames_are_compressed_alike() -> None:
    params: dict[str, dict[str, Any]] = {
        "blur": {"radius": 2},
        "hold": {"frame": 0},
        "noise": {"sigma": 50, "seed": 0},
        "reorder": {"order": [1, 0, 3, 2]},
        "saturation": {"factor": 2},
        "shape": {"shape": "circle", "x": 0.5, "y": 0.5, "size": 0.3, "angle": 0, "color": [9] * 3},
        "zoom_in": {"scale": 1.3},
        "zoom_out": {"scale": 1.3},
        "text": {"text": "one", "font_size": 12, "margin": 4},
    }
    pieces: dict[str, bytes] = {}
    JPEG.encode(FRAMES, [0.0] * 4, 80, pieces)
    for name in EDITS:
        edited = apply(FRAMES, [{"edit": name, **params.get(name, {})}])
        JPEG.encode(edited, [0.0] * 4, 80, pieces)
    images = [Image.open(io.BytesIO(jpeg)) for jpeg in pieces.values()]
    tables = {str(image.quantization) for image in images}  # type: ignore[attr-defined]
    layers = {str(image.layer) for image in images}  # type: ignore[attr-defined]
    assert len(images) > 20 and len(tables) == len(layers) == 1


def test_the_same_frame_is_encoded_once() -> None:
    pieces: dict[str, bytes] = {}
    keys = JPEG.encode(FRAMES[[0, 1, 0]], [0.0, 1.0, 2.0], 80, pieces)
    assert keys[0] == keys[2] != keys[1] and list(pieces) == keys[:2]
    assert JPEG.encode(FRAMES[[2, 1]], [0.0, 1.0], 80, pieces)[1] == keys[1]
    assert len(pieces) == 3


def test_a_key_is_of_the_pixels_and_the_size() -> None:
    assert frame_key(FRAMES[0]) == frame_key(FRAMES[0].copy()) == frame_key(FRAMES[0, ::-1][::-1])
    assert frame_key(FRAMES[0]) != frame_key(FRAMES[0].reshape(32, 128, 3))


def test_quality_decides_what_is_kept() -> None:
    jpegs = {str(quality): to_jpeg(FRAMES[0], quality) for quality in (20, 80, 95)}
    assert len(jpegs["20"]) < len(jpegs["80"]) < len(jpegs["95"])
    errors = np.abs(from_jpegs(jpegs.values()).astype(int) - FRAMES[0]).mean(axis=(1, 2, 3))
    assert errors[0] > errors[1] > errors[2]
