"""How alike two frames look: frame embedders behind one interface.

An embedder says at which size it wants its frames and turns them into unit vectors, so that the
dot product of two is their cosine similarity.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from importlib.metadata import version
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from kuleshov.cache import Cache, default
from kuleshov.errors import unknown_name
from kuleshov.sample import Pixels, Video, dump_json

Vectors = npt.NDArray[np.float64]


class Embedder(ABC):
    """Frames to unit vectors."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Another one for each change of what it computes: a part of the key of what is kept."""
    size: ClassVar[tuple[int, int]]
    """(height, width) at which the frames are to be decoded."""

    @abstractmethod
    def __call__(self, frames: Pixels) -> Vectors:
        """Unit vectors of shape (frames, dimensions)."""


class Thumbnail(Embedder):
    """The grey values of a 16 x 16 thumbnail with their mean removed. No weights, ours.

    It sees where things are, not what they are: frames are alike when the same things are in
    the same places. A constant component as large as a contrast of one grey level keeps noise
    from mattering and makes flat frames alike.
    """

    name = "thumbnail"
    version = 1
    size = (16, 16)

    def __call__(self, frames: Pixels) -> Vectors:
        luma = frames @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
        flat = luma.reshape(len(frames), -1)
        centered = flat - flat.mean(axis=1, keepdims=True)
        constant = np.full((len(frames), 1), np.sqrt(flat.shape[1]))
        vectors = np.concatenate([centered, constant], axis=1)
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


EMBEDDERS: dict[str, type[Embedder]] = {
    Thumbnail.name: Thumbnail,
}


def embedder(name: str) -> Embedder:
    """An embedder by name.

    Raises:
        UsageError: it is not in `EMBEDDERS`.
    """
    if name not in EMBEDDERS:
        raise unknown_name("embedder", name, EMBEDDERS)
    return EMBEDDERS[name]()


def features(video: Video, seconds: list[float], name: str) -> Vectors:
    """Unit vectors of the frames at these times, decoded at the embedder's size, and kept.

    Raises:
        UnreadableVideoError: a time lies outside of the video, or the file has changed.
    """
    embed = embedder(name)
    key = (video.id, dump_json(seconds), embed.name, embed.version, *embed.size, version("av"))
    return _cache().get(key, lambda: embed(video.frames(seconds, embed.size)))


@lru_cache(maxsize=1)
def _cache() -> Cache:
    return default()
