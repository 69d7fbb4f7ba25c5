"""Pictures that carry their number, so that "which frame is this" has a sure answer.

Twelve bars stand in the top third of a picture, white for 1 and black for 0, bit 0 leftmost; below
are colours that move, with red at the left of the bottom and blue at its right.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuleshov.sample import Pixels

BARS = 12
SIZE = (96, 160)
"""(height, width) of pictures that are not asked for in another size."""
LOOKED_AT = (12, 48)
"""(height, width) at which numbers are read."""


def pictures(first: int, count: int, size: tuple[int, int] = SIZE) -> Pixels:
    """`count` pictures with the numbers `first`, `first` + 1, ..."""
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width]
    frames = np.empty((count, height, width, 3), np.uint8)
    for frame, number in zip(frames, range(first, first + count), strict=True):
        frame[..., 0] = columns * 255 // width
        frame[..., 1] = (rows * 3 + number * 5) % 255
        frame[..., 2] = (columns + number * 7) % 255
        bits = number >> columns[0] * BARS // width & 1
        frame[: height // 3] = np.where(bits, 235, 16)[None, :, None]
        frame[2 * height // 3 :, : width // 3] = (220, 20, 20)
        frame[2 * height // 3 :, -width // 3 :] = (20, 20, 220)
    return frames


def number(picture: npt.NDArray[np.uint8]) -> int:
    """The number of a picture, which may be scaled to `LOOKED_AT` or any larger size.

    Args:
        picture: shape (height, width) or (height, width, 3).
    """
    grey = picture if picture.ndim == 2 else picture.mean(-1)
    height, width = grey.shape
    bars = grey[height // 12 : height // 4].mean(0)
    middles = [round((i + 0.5) * width / BARS - 0.5) for i in range(BARS)]
    return sum(1 << i for i, middle in enumerate(middles) if bars[middle] > 126)
