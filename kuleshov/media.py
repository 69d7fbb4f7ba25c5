"""A sample's media recipe, turned into pixels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from kuleshov.content import content_id
from kuleshov.edits import apply
from kuleshov.errors import UnreadableVideoError, UsageError
from kuleshov.frames import decode
from kuleshov.locations import Facts, Location, Remote, facts, location, reason, within
from kuleshov.sample import MediaItem, Pixels, Sample, dump_json


def render(sample: Sample, root: Path | Remote | str) -> list[Pixels]:
    """The frames that the model is shown, one array for each media item.

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
    return render_all([sample], root)[0]


def render_all(samples: Sequence[Sample], root: Path | Remote | str) -> list[list[Pixels]]:
    """`render` for samples of the same videos: the same pixels, with each video decoded once.

    All frames of these samples are in memory together.

    Args:
        samples: the questions.
        root: the folder of videos that they were made from.

    Returns:
        What `render` gives, for each sample.

    Raises:
        UnreadableVideoError: a video of one of them is gone or has changed.
        UsageError: see `render`.
    """
    paths = {
        video["id"]: _inside(location(root), video["path"])
        for sample in samples
        for video in sample.videos
    }
    # For each video in each size, the times that are looked at and their places in the result.
    wanted: dict[tuple[str, int, int], dict[float, int]] = {}
    for item in (item for sample in samples for item in sample.media):
        for frame in item.frames:
            times = wanted.setdefault((frame.video_id, item.height, item.width), {})
            times.setdefault(frame.source_seconds, len(times))
    for video in dict.fromkeys(key[0] for key in wanted):
        if video not in paths:
            raise UsageError(f"the sample shows video {video!r}, which its provenance lacks")
        _refuse_changed(paths[video], video)
    decoded = {key: decode(paths[key[0]], list(wanted[key]), key[1:]) for key in wanted}

    def shown(item: MediaItem) -> Pixels:
        frames = []
        for frame in item.frames:
            key = (frame.video_id, item.height, item.width)
            frames.append(decoded[key][wanted[key][frame.source_seconds]])
        return np.stack(frames)

    return [[apply(shown(item), item.edits) for item in sample.media] for sample in samples]


def _refuse_changed(path: Location, video: str) -> None:
    """Other content shows other frames, although they may be there at the same times."""
    try:
        now = _content_id(path, facts(path))
    except OSError as error:
        why = f"cannot be opened as a video: {reason(error)}"
        raise UnreadableVideoError(f"{path.name}: {why}") from error
    if now != video:
        raise UnreadableVideoError(
            f"{path.name}: has changed since the samples were made: the hash of its content is "
            f"{now}, theirs is {video}; put the video back, or make the samples again"
        )


@lru_cache(maxsize=1 << 16)
def _content_id(path: Location, found: Facts) -> str:
    """Read once for each state of a file."""
    return content_id(path)


def _inside(root: Location, path: str) -> Location:
    inner = within(root, path)
    if inner is None:
        raise UsageError(f"the sample names {path!r}, which lies outside of {root}")
    return root / inner


def without_edits(sample: Sample) -> Sample:
    """The sample with the frames as they are in the video."""
    return replace(sample, media=tuple(replace(item, edits=()) for item in sample.media))


class Renderer:
    """`render` for one folder of videos, remembering what it decoded last.

    Training asks for the same prompt once for each rollout and epoch, and for the same frames
    under other edits: a video beside the same without its key frames, or shuffled. They are
    decoded once while they stay among the last `max_bytes` of pixels; edits are made each time.
    """

    def __init__(self, root: Path | Remote | str, max_bytes: int = 1 << 30) -> None:
        self.root = location(root)
        self.max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, list[Pixels]] = OrderedDict()

    def __call__(self, sample: Sample) -> list[Pixels]:
        shown = zip(self._decoded(without_edits(sample)), sample.media, strict=True)
        return [apply(pixels, item.edits) for pixels, item in shown]

    def _decoded(self, bare: Sample) -> list[Pixels]:
        # The media decide the pixels; a control of the same sample has the same id.
        key = dump_json(bare.to_row()["media"])
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        pixels = render(bare, self.root)
        self._kept[key] = pixels
        self._bytes += sum(array.nbytes for array in pixels)
        while self._bytes > self.max_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= sum(array.nbytes for array in oldest)
        return pixels
