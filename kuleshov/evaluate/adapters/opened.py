"""The videos of a benchmark: what they are, and which frames of them are shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from kuleshov.content import content_id
from kuleshov.errors import UnreadableVideoError
from kuleshov.evaluate.adapters.config import BenchmarkConfig
from kuleshov.evaluate.adapters.item import Item
from kuleshov.frames import scan
from kuleshov.locations import outside, reason, within
from kuleshov.progress import Progress
from kuleshov.read import read_video
from kuleshov.runners import Failed, runner
from kuleshov.sample import Frame, MediaItem, Skip, Video
from kuleshov.sampling import fit_size, uniform

PICTURES = (".jpg", ".jpeg", ".png")

Media = Video | Skip | list[Video]
"""A video, why there is none, or the pictures that stand for one."""


def read_all(
    root: Path, paths: Sequence[str], config: BenchmarkConfig, progress: Progress
) -> dict[str, Media]:
    """What each path below a folder is.

    Args:
        root: the folder; nothing leads out of it.
        paths: of videos, or of folders of pictures.
        config: the settings.
        progress: told of each.
    """
    found: dict[str, Media] = {}
    with runner("local", config.workers) as run:
        results = run.map(partial(_media, root), iter(paths))
        for done, (path, result) in enumerate(zip(paths, results, strict=True), 1):
            found[path] = Skip(path, result.reason) if isinstance(result, Failed) else result
            progress("reading videos", done, len(paths))
    return found


def _media(root: Path, path: str) -> Media:
    inner = within(root, path)
    if inner is None:
        return Skip(path, outside(root))
    if not (root / inner).is_dir():
        return read_video(root, inner)
    names = sorted(p.name for p in (root / inner).iterdir() if p.suffix.lower() in PICTURES)
    # A decoder takes % for a number in a sequence of pictures.
    if not names or "%" in inner:
        return Skip(path, "is a folder without pictures, or with % in its name")
    pictures = [f"{inner}/{name}" for name in names]
    try:
        info = scan(root / pictures[0])._asdict()
        return [Video(id=content_id(root / p), path=p, root=str(root), **info) for p in pictures]
    except (UnreadableVideoError, OSError) as error:
        said = reason(error) if isinstance(error, OSError) and error.errno else error
        return Skip(path, f"cannot be read: {said}")


def shown_of(item: Item, media: Video | list[Video], config: BenchmarkConfig) -> MediaItem | str:
    """The frames of an item, or why there are none.

    The clock starts at 0 where the video starts, or the clip: published intervals are on it.
    """
    first = media[0] if isinstance(media, list) else media
    length = len(media) / item.fps if isinstance(media, list) else media.duration
    start, end = item.clip or (0.0, length)
    start, end = max(0.0, start), min(end, length)
    if not start < end:
        return f"has {length:.2f} s, and the clip is {start:g} to {end:g} s"
    seconds = uniform(start, end, config.num_frames).seconds()
    if item.ends_on_last:
        seconds[-1] = max(seconds[-1], end - 0.5 * length / first.num_frames)
    height, width = fit_size(
        first.width,
        first.height,
        min_pixels=config.min_pixels,
        max_pixels=config.max_pixels,
        multiple=config.size_multiple,
    )
    shown = [round(second - start, 6) for second in seconds]
    if isinstance(media, list):
        places = [min(int(second * item.fps), len(media) - 1) for second in seconds]
        frames = [Frame(media[i].id, 0.0, t) for i, t in zip(places, shown, strict=True)]
    else:
        frames = [
            Frame(media.id, round(media.start + second, 6), t)
            for second, t in zip(seconds, shown, strict=True)
        ]
    return MediaItem(tuple(frames), height, width)


def end_of(shown: MediaItem) -> float:
    """Where what is shown ends, in seconds: frames lie in the middles of equal parts."""
    *_, before, last = (frame.shown_seconds for frame in shown.frames)
    return last + (last - before) / 2
