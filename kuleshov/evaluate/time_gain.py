"""Does a model use time, or would a frame have been enough?

    time gain       full - max(single frame, shuffled): what is earned by seeing more than a frame
                    and in order; full - single frame for what is about order
    needs time      an item that is right with the video, and wrong with a single frame and with
                    shuffled frames
    solved blind    share of items that are right without the video

A model that finds the answer in the prompt, or in any one frame, scores high and gains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kuleshov.errors import UsageError
from kuleshov.evaluate.statistics.bootstrap import DRAWS, bootstrap, percentiles
from kuleshov.evaluate.statistics.reported import Floats, Reported

Bools = npt.NDArray[np.bool_]


class TimeGain(NamedTuple):
    """What a model earns through time.

    Args:
        value: in [-1, 1].
        interval: 95 %, by bootstrap over videos; None if there are too few.
        full: the figure with the video.
        single: with its middle frame alone.
        shuffled: with its frames in random order; None where every item is about order.
        videos: that were drawn from.
    """

    value: float
    interval: tuple[float, float] | None
    full: float
    single: float
    shuffled: float | None
    videos: int


def time_gain(
    full: npt.ArrayLike,
    single: npt.ArrayLike,
    shuffled: npt.ArrayLike | None,
    report: Callable[[Floats], Reported],
    about_order: bool | Sequence[bool] = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> TimeGain:
    """Time gain of one model, with its interval; the larger control is found in each draw anew.

    Shuffled frames ask another question where the answer is an order. Such items therefore count
    with their single-frame score in the place of the shuffled one; if all are of this kind, the
    gain is full - single frame.

    Args:
        full: score of each item with the video, (items,).
        single: of the same items with the middle frame alone.
        shuffled: with shuffled frames; None if all items are about order.
        report: the reported figure of scores of (items, columns).
        about_order: of all items, or of each (`Task.about_order`).
        draws: bootstrap draws.
        seed: of the draws.

    Raises:
        UsageError: no shuffled scores, but items that are not about order.
    """
    alone = np.asarray(single, dtype=np.float64)
    ordered = np.broadcast_to(np.asarray(about_order, dtype=bool), alone.shape)
    if shuffled is None and not ordered.all():
        raise UsageError(
            "time gain needs the condition shuffled for items that are not about order; add it to "
            "eval.conditions"
        )
    mixed = alone if shuffled is None else np.where(ordered, alone, np.asarray(shuffled, float))
    table = np.stack([np.asarray(full, dtype=np.float64), alone, mixed], axis=1)
    reported = report(table)
    drawn = bootstrap(reported, draws, seed)
    seen, one, disordered = (float(figure) for figure in reported.value())
    value = seen - max(one, disordered)
    gains = drawn[:, 0] - drawn[:, 1:].max(axis=1)
    return TimeGain(
        value=value,
        interval=percentiles(gains, value, reported.videos, (-1.0, 1.0)),
        full=seen,
        single=one,
        shuffled=None if ordered.all() else disordered,
        videos=reported.videos,
    )


def solved(scores: npt.ArrayLike, right_from: npt.ArrayLike = 1.0) -> Bools:
    """Whether each item is right; with repeats, in more than half of them.

    Args:
        scores: (items,), or (items, repeats).
        right_from: the least score that is right, of all items or of each (`Task.right_from`).
    """
    table = np.asarray(scores, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    least = np.broadcast_to(np.asarray(right_from, dtype=np.float64), len(table))[:, None]
    right: Bools = (table >= least - 1e-9).mean(axis=1) > 0.5
    return right


def needs_time(full: Bools, single: Bools, shuffled: Bools) -> Bools:
    """Which items are right with the video only: not with a frame, nor with shuffled frames.

    A guess is right now and then, so this is what one model showed and no fact about the item;
    repeats make it surer. Items about order are no exception here: one that is right though its
    frames were shuffled was guessed.

    Args:
        full: whether each item is right (`solved`), with the video, (items,).
        single: likewise, with the middle frame alone.
        shuffled: likewise, with shuffled frames.
    """
    return full & ~single & ~shuffled
