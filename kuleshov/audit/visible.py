"""When two frames look different: enough of their pixels differ by enough."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuleshov.sample import Pixels

LEVELS = 8
"""A pixel has changed if a channel differs by at least this many of 256 levels (ours): what a
lossy codec does to a picture stays below, a shape in a colour of its own does not."""

SHARE = 0.005
"""Frames differ if at least this share of the pixels has changed (ours): 82 of 128 x 128."""


def differ(one: Pixels, other: Pixels) -> npt.NDArray[np.bool_]:
    """For each pair of frames whether they look different; both (frames, height, width, 3)."""
    # The difference of unsigned numbers, without making them larger ones.
    apart = np.maximum(one, other) - np.minimum(one, other)
    changed = (apart >= LEVELS).any(axis=-1)
    result: npt.NDArray[np.bool_] = changed.mean(axis=(1, 2)) >= SHARE
    return result
