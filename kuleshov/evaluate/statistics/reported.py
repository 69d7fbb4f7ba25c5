"""The figure that a benchmark reports, as sums over videos, so that videos can be drawn.

    micro       mean over items                 accuracy, mean relative accuracy, mIoU, R@1
    macro       mean over groups of their means sub-tasks of unequal size; an "overall"
    all right   share of sets without an error  yes-no pairs, fours of Vinoground, CircularEval

All of them are means over groups of a mean over items: where items are scored by relative
accuracy (item_scores.py) or by overlap, their micro mean is the mean relative accuracy or the
mIoU, and where a set of items is one item that is right or wrong, it is the group score.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuleshov.errors import UsageError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reported:
    """A figure for each of several columns of scores, which are of the same items.

    A column is a model, a condition or a training seed.

    Args:
        totals: sum of the scores of each video's items in each group: (videos, groups, columns).
        counts: how many these are: (videos, groups).
    """

    totals: Floats
    counts: Floats

    @property
    def videos(self) -> int:
        return len(self.totals)

    @property
    def columns(self) -> int:
        return int(self.totals.shape[2])

    def value(self) -> Floats:
        """The figure of each column: (columns,)."""
        value: Floats = self.weighted(np.ones((1, self.videos)))[0]
        return value

    def weighted(self, weights: npt.NDArray[np.float64 | np.intp]) -> Floats:
        """The figures with each video counted so many times.

        A group of which nothing was drawn is left out of the mean over groups (ours).

        Args:
            weights: (draws, videos); not all 0 in any draw.

        Returns:
            (draws, columns).
        """
        totals = np.tensordot(weights, self.totals, axes=1)
        counts = (weights @ self.counts)[..., None]
        means = np.divide(totals, counts, out=np.zeros_like(totals), where=counts > 0)
        figures: Floats = means.sum(axis=1) / (counts > 0).sum(axis=1)
        return figures

    def contributions(self) -> Floats:
        """What each video adds to the figure, which is the sum: (videos, columns)."""
        per_group = self.totals / self.counts.sum(axis=0)[:, None]
        added: Floats = per_group.sum(axis=1) / self.counts.shape[1]
        return added


def micro(scores: npt.ArrayLike, videos: Sequence[Hashable]) -> Reported:
    """Mean over items.

    Args:
        scores: (items,), or (items, columns); repeats of an item are averaged before.
        videos: the source video of each item.

    Raises:
        UsageError: no items, scores that are not finite, or of another length than videos.
    """
    return macro(scores, videos, [0] * len(videos))


def macro(
    scores: npt.ArrayLike, videos: Sequence[Hashable], groups: Sequence[Hashable]
) -> Reported:
    """Mean over groups of the mean over their items.

    Args:
        scores: (items,), or (items, columns).
        videos: the source video of each item.
        groups: the group of each item; a video may have items in several.

    Raises:
        UsageError: as in `micro`.
    """
    table = _columns(scores)
    if not len(table) == len(videos) == len(groups) or not len(table):
        raise UsageError(
            f"{len(table)} scores, {len(videos)} videos and {len(groups)} groups; allowed: one of "
            "each for every item, and 1 item or more"
        )
    video, group = _numbers(videos), _numbers(groups)
    shape = (int(video.max()) + 1, int(group.max()) + 1)
    totals, counts = np.zeros((*shape, table.shape[1])), np.zeros(shape)
    np.add.at(totals, (video, group), table)
    np.add.at(counts, (video, group), 1)
    return Reported(totals, counts)


def all_right(
    scores: npt.ArrayLike,
    videos: Sequence[Hashable],
    sets: Sequence[Hashable],
    groups: Sequence[Hashable] | None = None,
    right: float = 1.0,
) -> Reported:
    """Share of sets of which every item is right; with groups, the mean of their shares.

    Sets that share a video are drawn together, and so are all videos of a set.

    Args:
        scores: (items,), or (items, columns).
        videos: the source video of each item; a set may have several.
        sets: the set of each item.
        groups: the group of each item, the same for all items of a set.
        right: the least score that is right.

    Raises:
        UsageError: a set in two groups, or as in `micro`.
    """
    table = _columns(scores)
    kinds = list(groups) if groups is not None else [0] * len(sets)
    group_of: dict[Hashable, Hashable] = {}
    for name, kind in zip(sets, kinds, strict=True):
        if group_of.setdefault(name, kind) != kind:
            raise UsageError(f"set {name!r} is in the groups {group_of[name]!r} and {kind!r}")
    together = _joined(videos, sets)
    number = _numbers(sets)
    whole = np.ones((int(number.max()) + 1, table.shape[1]))
    np.minimum.at(whole, number, (table >= right).astype(float))
    first = np.unique(number, return_index=True)[1]
    return macro(whole, [together[i] for i in first], [kinds[i] for i in first])


def _columns(scores: npt.ArrayLike) -> Floats:
    table = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(table).all():
        raise UsageError("a score is not finite; a failure is a 0, and what was not run is no item")
    return table[:, None] if table.ndim == 1 else table


def _numbers(names: Sequence[Hashable]) -> npt.NDArray[np.intp]:
    """0, 1, ... for each different name, in the order of the sorted names."""
    place = {name: i for i, name in enumerate(sorted(set(names), key=lambda n: (str(n), repr(n))))}
    return np.array([place[name] for name in names], dtype=np.intp)


def _joined(videos: Sequence[Hashable], sets: Sequence[Hashable]) -> list[Hashable]:
    """For each item a name of all videos that hang together by common sets."""
    above: dict[Hashable, Hashable] = {}

    def top(video: Hashable) -> Hashable:
        while above.setdefault(video, video) != video:
            above[video] = above[above[video]]
            video = above[video]
        return video

    first: dict[Hashable, Hashable] = {}
    for video, name in zip(videos, sets, strict=True):
        above[top(video)] = top(first.setdefault(name, video))
    return [top(video) for video in videos]
