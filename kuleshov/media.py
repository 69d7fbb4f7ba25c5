"""A sample's media recipe, turned into pixels."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np

from kuleshov.edits import apply
from kuleshov.errors import UsageError
from kuleshov.frames import decode
from kuleshov.locations import Location, Remote, location, within
from kuleshov.sample import Pixels, Sample, dump_json


def render(sample: Sample, root: Path | Remote | str) -> list[Pixels]:
    """The frames that the model is shown, one array for each `<video>` of the prompt.

    Rendering is exact: the same sample gives the same pixels each time, with the same version
    of PyAV (which the run folder names). Each video is decoded once, however many media items
    show it.

    Args:
        sample: the question.
        root: the folder of videos that the sample was made from, or its address.

    Returns:
        For each media item a uint8 array of shape (frames, height, width, 3).

    Raises:
        UnreadableVideoError: a video is gone or has changed.
        UsageError: a recipe that names a file outside of `root`, or an unknown edit.
    """
    paths = {
        video["id"]: _inside(location(root), video["path"]) for video in sample.provenance["videos"]
    }
    wanted: dict[tuple[str, int, int], list[float]] = {}
    for item in sample.media:
        for frame in item.frames:
            key = (frame.video_id, item.height, item.width)
            wanted.setdefault(key, []).append(frame.source_seconds)
    # Frames come back in the order asked for, so walking the recipe again finds them in turn.
    decoded = {
        key: iter(decode(paths[key[0]], seconds, key[1:])) for key, seconds in wanted.items()
    }
    return [
        apply(
            np.stack(
                [next(decoded[frame.video_id, item.height, item.width]) for frame in item.frames]
            ),
            item.edits,
        )
        for item in sample.media
    ]


def _inside(root: Location, path: str) -> Location:
    inner = within(root, path)
    if inner is None:
        raise UsageError(f"the sample names {path!r}, which lies outside of {root}")
    return root / inner


class Renderer:
    """`render` for one folder of videos, remembering what it rendered last.

    Training asks for the same prompt once for each rollout and epoch; it is decoded once while
    it stays among the last `max_bytes` of pixels.
    """

    def __init__(self, root: Path | Remote | str, max_bytes: int = 1 << 30) -> None:
        self.root = location(root)
        self.max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, list[Pixels]] = OrderedDict()

    def __call__(self, sample: Sample) -> list[Pixels]:
        # The media decide the pixels; a control of the same sample has the same id.
        key = dump_json(sample.to_row()["media"])
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        pixels = render(sample, self.root)
        self._kept[key] = pixels
        self._bytes += sum(array.nbytes for array in pixels)
        while self._bytes > self.max_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= sum(array.nbytes for array in oldest)
        return pixels
