from __future__ import annotations

import numpy as np

from kuleshov.audit.visible import LEVELS, differ
from kuleshov.sample import Pixels

GREY: Pixels = np.full((1, 100, 100, 3), 100, np.uint8)


def changed(pixels: int, levels: int) -> bool:
    other = GREY.copy()
    other[0].reshape(-1, 3)[:pixels, 1] -= levels
    return bool(differ(GREY, other)[0]) and bool(differ(other, GREY)[0])


def test_enough_pixels_must_change_by_enough() -> None:
    # Of 10,000 pixels 50 are half a percent.
    assert changed(50, LEVELS)
    assert not changed(49, 100)
    assert not changed(10_000, LEVELS - 1)
