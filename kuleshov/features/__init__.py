"""How alike two frames look: frame embedders behind one interface.

An embedder says at which size it wants its frames and turns them into unit vectors, so that the
dot product of two is their cosine similarity.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version

from kuleshov import frames
from kuleshov.cache import Cache, default
from kuleshov.features.embedder import Embedder, Vectors
from kuleshov.features.pretrained import Pretrained
from kuleshov.features.thumbnail import Thumbnail
from kuleshov.sample import Video, dump_json

__all__ = ["EMBEDDERS", "Embedder", "Vectors", "embedder", "features"]

EMBEDDERS: dict[str, type[Embedder]] = {"thumbnail": Thumbnail}
"""The built-in ones; any other name is that of a model, see pretrained.py."""


@lru_cache(maxsize=4)
def embedder(name: str) -> Embedder:
    """An embedder by name, one for each process. A model is loaded when it is first used."""
    return EMBEDDERS[name]() if name in EMBEDDERS else Pretrained(name)


def features(video: Video, seconds: list[float], name: str) -> Vectors:
    """Unit vectors of the frames at these times, decoded at the embedder's size, and kept.

    Raises:
        UnreadableVideoError: a time lies outside of the video, or the file has changed.
        UsageError: the embedder cannot be used, see `Pretrained`.
    """
    embed = embedder(name)
    decoded = (frames.VERSION, version("av"))
    key = (video.id, dump_json(seconds), name, embed.version, *embed.size, *decoded)
    return _cache().get(key, lambda: embed(video.frames(seconds, embed.size)))


@lru_cache(maxsize=1)
def _cache() -> Cache:
    return default()
