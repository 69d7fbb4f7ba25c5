"""Local maxima of a curve over the frames: VideoPerceiver's key frames, eq. (2).

    curve      0.1  0.7  0.3  0.5  0.5  0.2  0.4
    maxima           *         *              *      a plateau counts once, ends count
                                                     against their single neighbour

The paper says "local maxima, with boundary conditions handled appropriately" and no more. Taken as
it stands, every third frame of a noisy curve is one, and of an event that is seen in several frames
all but one stay: smoothing, prominence, width and a largest number are ours, and so is what a
plateau counts as. `Peaks.paper()` has none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from kuleshov.errors import UsageError

Curve = npt.NDArray[np.float64]
"""One number for each frame of a media item, shape (frames,)."""

Plateau = Literal["first", "none", "all"]


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """Which local maxima are key frames.

    Args:
        smoothing: frames of the centred running mean, odd; 1 for none. At the ends it is of
            the frames that there are.
        prominence: by how much a maximum stands out, as a share of the range of the curve, in
            [0, 1]: its height above the higher of the two lowest points that part it from
            something higher, or from the ends.
        width: the frames around a maximum that are less than this share of its prominence below
            it are key frames too, in [0, 1]; 0 for none but the maximum.
        most: at most so many maxima, the highest first and of equal ones the earlier; None for all.
        plateau: equal neighbours with lower ones on both sides are a maximum at their "first"
            frame, at "none" (the strict inequalities of eq. 2) or at "all" of them.
        ends: whether the first and the last frame can be a maximum, against their one neighbour.
    """

    smoothing: int = 3
    prominence: float = 0.2
    width: float = 0.5
    most: int | None = None
    plateau: Plateau = "first"
    ends: bool = True

    def __post_init__(self) -> None:
        if self.smoothing < 1 or self.smoothing % 2 == 0:
            raise UsageError(f"peaks: smoothing is {self.smoothing}; allowed: odd numbers from 1")
        for knob, value in (("prominence", self.prominence), ("width", self.width)):
            if not 0 <= value <= 1:
                raise UsageError(f"peaks: {knob} is {value}; allowed: 0 to 1")
        if self.most is not None and self.most < 1:
            raise UsageError(f"peaks: most is {self.most}; allowed: 1 or more, or null for all")
        if self.plateau not in ("first", "none", "all"):
            raise UsageError(f"peaks: plateau is {self.plateau!r}; allowed: first, none, all")

    @classmethod
    def paper(cls) -> Self:
        """Eq. (2) to the letter: every strict local maximum."""
        return cls(smoothing=1, prominence=0.0, width=0.0, plateau="none")

    def __call__(self, curve: Sequence[float] | Curve) -> list[int]:
        """The key frames, in order. A flat curve has none."""
        smooth = smoothed(np.asarray(curve, np.float64), self.smoothing)
        least = self.prominence * np.ptp(smooth) if len(smooth) else 0.0
        found = [run for run in maxima(smooth) if prominence(smooth, run) >= least]
        if not self.ends:
            found = [(start, stop) for start, stop in found if start > 0 and stop < len(smooth)]
        if self.plateau == "none":
            found = [(start, stop) for start, stop in found if stop - start == 1]
        found = sorted(found, key=lambda run: (-smooth[run[0]], run))[: self.most]
        if self.width:
            found = [wide(smooth, run, self.width) for run in found]
        elif self.plateau != "all":
            found = [(start, start + 1) for start, _ in found]
        return sorted({t for start, stop in found for t in range(start, stop)})


def smoothed(curve: Curve, window: int) -> Curve:
    """The centred running mean; at the ends over the frames that there are.

    >>> smoothed(np.array([3.0, 0.0, 0.0, 6.0]), 3).tolist()
    [1.5, 1.0, 2.0, 3.0]
    """
    if window == 1:
        return curve
    half = window // 2
    return np.array([curve[max(0, t - half) : t + half + 1].mean() for t in range(len(curve))])


def maxima(curve: Curve) -> list[tuple[int, int]]:
    """Half-open ranges of equal values that are higher than what is beside them.

    The ends have one neighbour; a curve that is flat throughout has no maximum.

    >>> maxima(np.array([1.0, 0.0, 2.0, 2.0, 1.0, 1.0, 3.0]))
    [(0, 1), (2, 4), (6, 7)]
    """
    edges = [0, *(np.flatnonzero(np.diff(curve)) + 1).tolist(), len(curve)]
    runs = list(pairwise(edges))
    return [
        (start, stop)
        for start, stop in runs
        if len(runs) > 1
        and (start == 0 or curve[start - 1] < curve[start])
        and (stop == len(curve) or curve[stop] < curve[start])
    ]


def prominence(curve: Curve, run: tuple[int, int]) -> float:
    """How far one must come down from a maximum to get to something higher, or to an end.

    A maximum at an end is measured on its one side.

    >>> prominence(np.array([0.0, 5.0, 3.0, 4.0, 1.0]), (3, 4))
    1.0
    """
    start, stop = run
    height = curve[start]
    higher = np.flatnonzero(curve > height)
    left = max((t + 1 for t in higher if t < start), default=0)
    right = min((t for t in higher if t >= stop), default=len(curve))
    sides = [curve[left:start], curve[stop:right]]
    return float(height - max(side.min() for side in sides if len(side)))


def wide(curve: Curve, run: tuple[int, int], share: float) -> tuple[int, int]:
    """A maximum with what is beside it and above `share` of its prominence below its height.

    >>> wide(np.array([0.0, 3.0, 4.0, 2.0, 1.0]), (2, 3), 0.5)
    (1, 3)
    """
    start, stop = run
    level = curve[start] - share * prominence(curve, run)
    while start > 0 and curve[start - 1] > level:
        start -= 1
    while stop < len(curve) and curve[stop] > level:
        stop += 1
    return start, stop
