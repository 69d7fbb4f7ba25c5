"""Key moments made rare: more frames where nothing happens (VideoPerceiver 3.1).

    before     0   1   2   K   4   5        a sixth of the frames are key frames
    after      0.. 1.. 2   K   4.. 5        more frames in the gaps without a key frame beside them

In the paper, key events of MM-AU take more than 25 % of the frames; it samples "non-key segments"
at 8 fps "until the key-event ratio falls to 5 %". Which those are is ours: what lies between two
neighbouring frames of which neither is a key frame, so that no frame is added next to the event.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from math import ceil
from typing import NamedTuple

from kuleshov.errors import UsageError
from kuleshov.sample import Frame, MediaItem, Sample


class Sparse(NamedTuple):
    """A media item with more frames.

    Args:
        item: the item.
        keys: its key frames.
        share: of key frames among all; above what was asked for where there was no more to add.
    """

    item: MediaItem
    keys: list[int]
    share: float


def sparsified(
    item: MediaItem, keys: Iterable[int], share: float = 0.05, fps: float = 8.0
) -> Sparse:
    """The item with frames added between others, until at most `share` of them are key frames.

    Frames are added at `fps` counted from the earlier one of two neighbours; of more than are
    needed some are taken, evenly spread. Their number stays even. Added frames show the video at
    evenly spaced times and tell the clock that runs between their neighbours.

    Args:
        item: without edits, of one video, in order of time.
        keys: its key frames.
        share: of key frames at the end, in (0, 1].
        fps: of the added frames.

    Raises:
        UsageError: the item has edits, which count frames, or its frames are not in order.
    """
    keys = sorted(set(keys))
    frames = item.frames
    if item.edits:
        raise UsageError("frames cannot be added to an item with edits, which count its frames")
    if any(a.source_seconds >= b.source_seconds for a, b in pairwise(frames)):
        raise UsageError("frames can be added to an item only if its own are in order of time")
    if not 0 < share <= 1 or fps <= 0:
        raise UsageError(f"share is {share}, fps {fps}; allowed: (0, 1] and above 0")
    room = [
        between(frames[t], frames[t + 1], k / fps)
        for t in range(len(frames) - 1)
        if t not in keys and t + 1 not in keys
        for k in range(1, ceil((frames[t + 1].source_seconds - frames[t].source_seconds) * fps))
    ]
    lacking = max(0, ceil(len(keys) / share - 1e-9) - len(frames))
    count = min(lacking + (len(frames) + lacking) % 2, len(room))
    count -= (len(frames) + count) % 2  # video models merge frames in pairs
    added = [room[(2 * i + 1) * len(room) // (2 * count)] for i in range(count)]
    together = sorted([*frames, *added], key=lambda frame: frame.source_seconds)
    moments = {frames[t] for t in keys}
    where = [t for t, frame in enumerate(together) if frame in moments]
    return Sparse(replace(item, frames=tuple(together)), where, len(where) / len(together))


def sparse_sample(
    sample: Sample, keys: Iterable[tuple[int, int]], share: float = 0.05, fps: float = 8.0
) -> tuple[Sample, list[tuple[int, int]]]:
    """A sample whose media items with key frames have more frames, and where the keys are then.

    Args:
        sample: whose answer does not depend on how many frames there are: a caption or question.
        keys: (media item, index) of its key frames.
        share: see `sparsified`.
        fps: see `sparsified`.

    Raises:
        UsageError: see `sparsified`.
    """
    media, places = list(sample.media), []
    wanted: dict[int, list[int]] = {}
    for item, index in keys:
        wanted.setdefault(item, []).append(index)
    for item, indices in sorted(wanted.items()):
        found = sparsified(media[item], indices, share, fps)
        media[item] = found.item
        places += [(item, index) for index in found.keys]
    return replace(sample, media=tuple(media)), places


def between(before: Frame, after: Frame, seconds: float) -> Frame:
    """The frame this long after one of two neighbours, on the clock that runs between them.

    >>> between(Frame("v", 2.0, 0.0), Frame("v", 4.0, 1.0), 0.5)
    Frame(video_id='v', source_seconds=2.5, shown_seconds=0.25)
    """
    part = seconds / (after.source_seconds - before.source_seconds)
    shown = before.shown_seconds + part * (after.shown_seconds - before.shown_seconds)
    return Frame(before.video_id, round(before.source_seconds + seconds, 6), round(shown, 6))
