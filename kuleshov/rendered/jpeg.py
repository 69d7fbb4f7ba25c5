"""Frames as JPEG, each distinct one once."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, NamedTuple, final

import numpy as np
from PIL import Image

from kuleshov.rendered.format import Format, Shown
from kuleshov.sample import Pixels, Sample


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

    @final
    def read(self, out: Path, shard: str) -> Iterator[Shown]:
        for row in self.read_files(out, shard):
            yield Shown(row.sample, [from_jpegs(files) for files in row.files], row.seconds)

    @abstractmethod
    def read_files(self, out: Path, shard: str) -> Iterator[Files]:
        """`read` without decoding."""


class Files(NamedTuple):
    """A sample as it was read back: for each media item the JPEG files and times of its frames."""

    sample: Sample
    files: list[list[bytes]]
    seconds: list[list[float]]


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


def from_jpegs(files: Iterable[bytes]) -> Pixels:
    """The frames of these files, in order."""
    return np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])
