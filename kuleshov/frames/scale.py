"""A decoded frame, upright and in another size, by swscale."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from kuleshov.sample import Pixels

EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
"""The same pixels on every machine: no SIMD shortcuts that round differently."""


def display_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """(width, height) on screen: square pixels, after rotation."""
    aspect = stream.sample_aspect_ratio or 1
    width, height = max(1, round(frame.width * aspect)), frame.height
    return (height, width) if _quarter_turns(frame) % 2 else (width, height)


def upright(frame: VideoFrame, size: tuple[int, int], reformatter: VideoReformatter) -> Pixels:
    """The picture as it is seen, scaled to `size` = (height, width)."""
    turns = _quarter_turns(frame)
    height, width = size if turns % 2 == 0 else size[::-1]
    shrinks = width * height < frame.width * frame.height
    scaled = reformatter.reformat(
        frame,
        width=width,
        height=height,
        format="rgb24",
        interpolation=(Interpolation.AREA if shrinks else Interpolation.BICUBIC) | EXACT,
        threads=1,
    )
    return np.rot90(scaled.to_ndarray(), turns)


def _quarter_turns(frame: VideoFrame) -> int:
    """Counter-clockwise quarter turns that bring the stored picture upright."""
    return round(frame.rotation / 90) % 4
