"""Randomness keyed by name.

Every random choice comes from a generator that is seeded by a hash of *what it is for*: the
seed, the task, the video's id and the index. `seed + i` is never used: neighbouring seeds would
then be the same data shifted by one. Adding, removing or reordering videos or workers leaves
every other choice as it was.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def digest(*key: str | int) -> int:
    """A 128-bit integer from the parts of a key, the same on every machine.

    Parts are told apart by length and type, so `("a", "bc")` and `("ab", "c")` differ, and so
    do `1` and `"1"`.

    >>> digest("a", "bc") == digest("ab", "c")
    False
    """
    state = blake2b(digest_size=16)
    for part in key:
        data = f"{type(part).__name__}:{part}".encode()
        state.update(len(data).to_bytes(8, "little") + data)
    return int.from_bytes(state.digest(), "little")


def rng_for(*key: str | int) -> np.random.Generator:
    """The generator for one named purpose, such as `rng_for(seed, "jigsaw", video.id, 0)`."""
    return np.random.Generator(np.random.PCG64(digest(*key)))


def fraction(*key: str | int) -> float:
    """A number in [0, 1) that belongs to a key: which side of a split a video falls on."""
    return digest(*key) / 2.0**128
