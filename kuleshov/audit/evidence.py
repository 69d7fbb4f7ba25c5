"""What a probe is given of a sample, with what several probes share computed once."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from PIL import Image

from kuleshov.audit.auc import Floats
from kuleshov.features.thumbnail import Thumbnail
from kuleshov.rendered.jpeg import JpegFormat, frame_key, to_jpeg
from kuleshov.sample import MediaItem, Pixels, Sample
from kuleshov.tasks.task import Part, Unit

_SMALL = 16


class FrameFile(NamedTuple):
    """What is kept of a frame's JPEG file: its bytes, and the sums of its quantization tables."""

    size: int
    luma: int
    chroma: int

    @classmethod
    def of(cls, file: bytes) -> Self:
        with Image.open(io.BytesIO(file)) as image:
            tables: dict[int, list[int]] = getattr(image, "quantization", {})
        return cls(len(file), sum(tables.get(0, [])), sum(tables.get(1, [])))


Encoder = Callable[[MediaItem, Pixels], list[FrameFile]]
"""A media item's frames as the files that a model is given."""


class Jpeg:
    """The project's own encoding, each distinct frame once while it is among the last ones."""

    def __init__(self, quality: int = JpegFormat.default_quality, keep: int = 10_000) -> None:
        self.quality, self.keep = quality, keep
        self._kept: dict[str, FrameFile] = {}

    def __call__(self, item: MediaItem, frames: Pixels) -> list[FrameFile]:
        if len(self._kept) > self.keep:
            self._kept.clear()
        files = []
        for pixels in frames:
            key = frame_key(pixels)
            if key not in self._kept:
                self._kept[key] = FrameFile.of(to_jpeg(pixels, self.quality))
            files.append(self._kept[key])
        return files


@dataclass(frozen=True)
class Evidence:
    """A sample as it reaches a model.

    Args:
        sample: the question, or its control.
        units: its yes-no questions.
        pixels: for each media item its frames.
        files: for each media item the files of its frames.
    """

    sample: Sample
    units: Sequence[Unit]
    pixels: Sequence[Pixels]
    files: Sequence[Sequence[FrameFile]]

    @cached_property
    def small(self) -> list[Floats]:
        """For each media item its frames at 16 x 16: (frames, 16, 16, 3), 0 to 255."""
        return [np.stack([_shrink(frame) for frame in item]) for item in self.pixels]

    @cached_property
    def vectors(self) -> list[Floats]:
        """For each media item unit vectors of its frames, by the thumbnail embedder."""
        embed = Thumbnail()
        return [embed(frames.astype(np.uint8)) for frames in self.small]

    @cached_property
    def flat(self) -> list[np.typing.NDArray[np.bool_]]:
        """For each media item which frames show nothing."""
        return [frames.std(axis=(1, 2)).max(axis=-1) < 1 for frames in self.small]

    @cached_property
    def context(self) -> list[tuple[int, int]]:
        """(item, frame) of what is shown beside what is asked about, and shows something."""
        asked = {(p.item, f) for u in self.units for p in u.parts for f in range(p.start, p.stop)}
        return [
            (i, f)
            for i, flat in enumerate(self.flat)
            for f in range(len(flat))
            if not flat[f] and (i, f) not in asked
        ]

    def of(self, values: Sequence[Floats], part: Part) -> Floats:
        """The part of what was computed for each frame of each item."""
        return values[part.item][part.start : part.stop]


def _shrink(frame: Pixels) -> Floats:
    small = Image.fromarray(frame).resize((_SMALL, _SMALL), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64)
