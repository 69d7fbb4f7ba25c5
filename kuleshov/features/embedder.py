"""What turns frames into vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from kuleshov.sample import Pixels

Vectors = npt.NDArray[np.float64]


class Embedder(ABC):
    """Frames to unit vectors."""

    @property
    @abstractmethod
    def version(self) -> str:
        """Another one for each change of what it computes: a part of the key of what is kept."""

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """(height, width) at which the frames are to be decoded."""

    @abstractmethod
    def __call__(self, frames: Pixels) -> Vectors:
        """Unit vectors of shape (frames, dimensions)."""


def unit(vectors: npt.NDArray[np.floating]) -> Vectors:
    """Each row divided by its length; none may be 0."""
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    scaled: Vectors = wide / lengths
    return scaled
