"""The control transforms: what a model is tested without.

Each acts on what the model would have seen, edits included, within each media item; the number
of frames and the shown times stay, so that prompts and token counts do not change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kuleshov.errors import unknown_name
from kuleshov.randomness import rng_for
from kuleshov.sample import MediaItem, Sample


def _blind(item: MediaItem, *key: str | int) -> MediaItem:
    return item.edited({"edit": "grey"})


def _single(item: MediaItem, *key: str | int) -> MediaItem:
    return item.edited({"edit": "hold", "frame": len(item.frames) // 2})


def _shuffled(item: MediaItem, *key: str | int) -> MediaItem:
    order = rng_for("control", "shuffled", *key).permutation(len(item.frames))
    return item.edited({"edit": "reorder", "order": order.tolist()})


def _reversed(item: MediaItem, *key: str | int) -> MediaItem:
    return item.edited({"edit": "reorder", "order": list(range(len(item.frames)))[::-1]})


def _half_rate(item: MediaItem, *key: str | int) -> MediaItem:
    return item.edited({"edit": "reorder", "order": [i - i % 2 for i in range(len(item.frames))]})


CONTROLS: dict[str, Callable[..., MediaItem]] = {
    "blind": _blind,
    "single": _single,
    "shuffled": _shuffled,
    "reversed": _reversed,
    "half_rate": _half_rate,
}
"""No video (all frames grey), only the middle frame, no order, no direction, and each second frame
gone: the one before it stays on screen."""


def control(sample: Sample, name: str) -> Sample:
    """The same question under a control; "full" changes nothing.

    Raises:
        UsageError: the control is not in `CONTROLS`.
    """
    if name == "full":
        return sample
    if name not in CONTROLS:
        raise unknown_name("control", name, [*CONTROLS, "full"])
    media = tuple(CONTROLS[name](item, sample.id, i) for i, item in enumerate(sample.media))
    return replace(sample, media=media)
