"""An embedder without weights."""

from __future__ import annotations

from typing import final

import numpy as np

from kuleshov.features.embedder import Embedder, Vectors, unit
from kuleshov.sample import Pixels


@final
class Thumbnail(Embedder):
    """The grey values of a 16 x 16 thumbnail with their mean removed. No weights, ours.

    It sees where things are, not what they are: frames are alike when the same things are in
    the same places. A constant component as large as a contrast of one grey level keeps noise
    from mattering and makes flat frames alike.
    """

    version = "1"
    size = (16, 16)

    def __call__(self, frames: Pixels) -> Vectors:
        luma = frames @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
        flat = luma.reshape(len(frames), -1)
        centered = flat - flat.mean(axis=1, keepdims=True)
        constant = np.full((len(frames), 1), np.sqrt(flat.shape[1]))
        return unit(np.concatenate([centered, constant], axis=1))
