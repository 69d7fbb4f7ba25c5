"""How much there is to a frame: curves over the frames of a sample, one for each media item.

    relevance   cosine of a frame and the keywords          VideoPerceiver, eq. (1)
    change      1 - cosine of a frame and the one before    without captions, ours
    motion      mean difference in grey to the one before   without captions, ours
    novelty     1 - cosine of a frame and the mean of all   without captions, ours

Change and motion are high where something begins and ends, novelty as long as it lasts.

All look at what the model is shown, edits included.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kuleshov.errors import UsageError
from kuleshov.features import Vectors
from kuleshov.locations import Remote
from kuleshov.media import render
from kuleshov.peaks import Curve
from kuleshov.sample import Pixels, Sample


def seen(sample: Sample, root: Path | Remote | str, size: tuple[int, int]) -> list[Pixels]:
    """The frames that the model is shown, then scaled to (height, width).

    Not rendered at that size: edits such as text are made for the size that they are shown at.
    """
    return [np.stack([_scaled(frame, size) for frame in item]) for item in render(sample, root)]


def _scaled(frame: Pixels, size: tuple[int, int]) -> Pixels:
    height, width = size
    picture = Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def relevance(frames: Vectors, words: Vectors) -> Curve:
    """Eq. (1): s_t = cos(e_t, k) with k the mean of the keywords.

    Args:
        frames: e_t, unit vectors of shape (frames, dimensions).
        words: of the keywords, in the same space, shape (keywords, dimensions). They are unit
            vectors, so that each keyword counts the same (ours: the paper says "pooled").

    Raises:
        UsageError: there is no keyword, or they cancel out.
    """
    if not len(words):
        raise UsageError("there are no keywords to compare frames with; give a text that has some")
    pooled = words.mean(axis=0)
    length = np.linalg.norm(pooled)
    if length < 1e-9:
        raise UsageError("the vectors of the keywords cancel out; give other keywords")
    curve: Curve = frames @ pooled / length
    return curve


def change(frames: Vectors) -> Curve:
    """1 - cos(e_t, e_(t-1)), in [0, 2]; 0 for the first frame.

    >>> change(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])).tolist()
    [0.0, 0.0, 1.0]
    """
    return _steps(1 - (frames[1:] * frames[:-1]).sum(axis=1))


def novelty(frames: Vectors) -> Curve:
    """1 - cos(e_t, mean of all e), in [0, 2]; 0 for frames that are all alike.

    >>> novelty(np.array([[1.0, 0.0], [1.0, 0.0]])).tolist()
    [0.0, 0.0]
    """
    mean = frames.mean(axis=0)
    length = np.linalg.norm(mean)
    curve: Curve = 1 - frames @ mean / length if length > 1e-9 else np.ones(len(frames))
    return curve


def motion(frames: Pixels) -> Curve:
    """Mean absolute difference in grey (ITU-R BT.601) to the frame before, in [0, 1]."""
    grey = frames @ np.array([0.299, 0.587, 0.114]) / 255
    return _steps(np.abs(np.diff(grey, axis=0)).mean(axis=(1, 2)))


def _steps(steps: Sequence[float] | Curve) -> Curve:
    return np.concatenate([[0.0], steps])
