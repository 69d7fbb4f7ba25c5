"""Frames as JPEG, each distinct one once."""

from __future__ import annotations

import io
from abc import ABC
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import ClassVar, final

import numpy as np
from PIL import Image

from kuleshov.rendered.format import Format
from kuleshov.sample import Pixels


class JpegFormat(Format, ABC):
    """A format whose pieces are JPEG files of single frames.

    All frames have the same quantization tables and chroma resolution, edited or not.
    """

    qualities: ClassVar[range] = range(1, 96)  # above 95, files grow and pictures hardly improve
    default_quality: ClassVar[int] = 80

    @final
    def encode(
        self, frames: Pixels, seconds: list[float], quality: int, pieces: dict[str, bytes]
    ) -> list[str]:
        keys = []
        for pixels in frames:
            key = frame_key(pixels)
            if key not in pieces:
                pieces[key] = to_jpeg(pixels, quality)
            keys.append(key)
        return keys


def frame_key(pixels: Pixels) -> str:
    """32 hex digits from the pixels of one frame and its size."""
    state = blake2b(repr(pixels.shape).encode(), digest_size=16)
    state.update(np.ascontiguousarray(pixels).data)
    return state.hexdigest()


def to_jpeg(pixels: Pixels, quality: int) -> bytes:
    """One frame of shape (height, width, 3) as JPEG with 4:2:0 chroma."""
    file = io.BytesIO()
    # Huffman tables of its own: some 4 % smaller, with the same pixels.
    Image.fromarray(pixels).save(file, "jpeg", quality=quality, subsampling="4:2:0", optimize=True)
    return file.getvalue()


def from_jpegs(keys: Iterable[str], jpegs: Mapping[str, bytes]) -> Pixels:
    """The frames with these keys, in order."""
    return np.stack([np.asarray(Image.open(io.BytesIO(jpegs[key]))) for key in keys])
