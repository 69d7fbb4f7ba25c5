r"""Section: pairs with and without key frames, side by side, under the curve that found them.

curve         ___/\______
full          v0 v1 v2 v3
degraded      v0 v0 v2 v3     framed: what differs
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kuleshov.dataset import iterate_samples, videos_root
from kuleshov.errors import UsageError
from kuleshov.keywords import extracted
from kuleshov.locations import Location
from kuleshov.media import render_all
from kuleshov.pairing import Keywords, Paired, Pairing
from kuleshov.peaks import Curve
from kuleshov.report.gallery import thumbnail
from kuleshov.report.page import Section, render, write_page
from kuleshov.sample import MediaItem, Pixels

COLUMN = 78
"""Pixels from one frame to the next."""
HEIGHT = 84
"""Pixels of the curve from top to bottom, with a margin of `MARGIN` on both sides."""
MARGIN = 8


def write(
    data: Path, page: Path, pairing: Pairing, count: int, keywords: Keywords = extracted
) -> tuple[int, int]:
    """Write a page with the first pairs of each task of a set.

    Args:
        data: the folder that `kuleshov make` wrote.
        page: the file to write.
        pairing: makes the pairs; of samples that it is not for, none is shown.
        count: pairs of each task at most.
        keywords: of a text, for "relevance".

    Returns:
        How many are shown, and how many of the samples that were looked at have none.

    Raises:
        UsageError: there is no finished set in `data`, or no sample gives a pair.
    """
    root, without = videos_root(data), 0
    found: dict[str, list[Paired]] = {}
    for sample in iterate_samples(data):
        here = found.setdefault(sample.task, [])
        if len(here) < count and sample.media and pairing.takes(sample):
            paired = pairing(sample, root, keywords)
            if paired is None:
                without += 1
            else:
                here.append(paired)
    shown = sum(map(len, found.values()))
    if not shown:
        raise UsageError(f"no sample of {data} gives a pair by {pairing.keys}; give other --keys")
    some = [(task, here) for task, here in sorted(found.items()) if here]
    sections = [pairs(here, root, task, not i) for i, (task, here) in enumerate(some)]
    write_page(page, f"Pairs in {data.resolve().name}", sections)
    return shown, without


def pairs(
    found: Sequence[Paired], root: Location, title: str = "Pairs", told: bool = True
) -> Section:
    """Both sides of each pair as the model is shown them; items that do not differ are left out.

    Args:
        found: the pairs.
        root: the folder of videos.
        title: the section's heading.
        told: whether it says what is to be seen; once is enough for a page.
    """
    items = [_item(paired, root) for paired in found]
    return Section(title, render("pairs.html", items=items, told=told))


def _item(paired: Paired, root: Location) -> dict[str, Any]:
    full, degraded, absent = paired.pair
    sides = render_all([full, degraded], root)
    media = []
    for i, (item, before, after) in enumerate(zip(full.media, *sides, strict=True)):
        keys = {t for place, t in absent if place == i}
        if keys:
            name = f"{full.placeholders[i]} {i + 1}" if len(full.media) > 1 else ""
            curve = paired.curves[i] if paired.curves else None
            media.append({"name": name, **_medium(item, before, after, keys, curve)})
    return {
        "sample": full,
        "video": full.path,
        "words": ", ".join(paired.words),
        "share": len(absent) / sum(len(item.frames) for item in full.media),
        "media": media,
    }


def _medium(
    item: MediaItem, before: Pixels, after: Pixels, keys: set[int], curve: Curve | None
) -> dict[str, Any]:
    columns = [
        {
            "told": f"{frame.shown_seconds:.2f}",
            "full": thumbnail(before[t]),
            "degraded": thumbnail(after[t]),
            "key": t in keys,
        }
        for t, frame in enumerate(item.frames)
    ]
    return {
        "columns": columns,
        "column": COLUMN,
        "width": COLUMN * len(columns),
        "height": HEIGHT,
        "line": drawn(curve) if curve is not None else [],
        "range": f"{curve.min():.3f} to {curve.max():.3f}" if curve is not None else "",
        "keys": sorted(keys),
    }


def drawn(curve: Iterable[float]) -> list[tuple[float, float]]:
    """The points of a curve in pixels, over the middles of the frames; a flat one lies low.

    >>> drawn([1.0, 3.0])
    [(39.0, 76.0), (117.0, 8.0)]
    """
    values = list(curve)
    low, high = min(values), max(values)
    scale = (HEIGHT - 2 * MARGIN) / (high - low) if high > low else 0.0
    return [
        (COLUMN * (t + 0.5), round(HEIGHT - MARGIN - (value - low) * scale, 1))
        for t, value in enumerate(values)
    ]
