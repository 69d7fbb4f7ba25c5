"""A decoded frame, upright and in another size, by swscale.

Pixels are shown as they are stored: HDR is not tone-mapped and interlaced frames are not
deinterlaced; `caveats` names what that holds for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from kuleshov.sample import Pixels

EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
"""The same pixels on every machine: no SIMD shortcuts that round differently."""

_HDR = {16: "PQ", 18: "HLG"}
"""Transfer characteristics by their number in ITU-T H.273."""


class Orientation(NamedTuple):
    """What brings a stored picture upright, in this order.

    Args:
        transposed: rows become columns.
        flipped_lr: left becomes right.
        flipped_ud: top becomes bottom.
    """

    transposed: bool = False
    flipped_lr: bool = False
    flipped_ud: bool = False


UPRIGHT = Orientation()


def orientation(frame: VideoFrame, before: Orientation = UPRIGHT) -> Orientation:
    """How a frame is turned and mirrored.

    The container's display matrix stands at every frame; a message in the stream (H.264 and HEVC)
    may stand at the first one alone, and holds until there is another.

    Args:
        frame: what is shown.
        before: the orientation of the frame before.
    """
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return before
    # x' = a x + c y, y' = b x + d y, with y downwards; other angles than right ones are rounded.
    a, b, _, c, d = np.frombuffer(matrix, np.int32, 5).tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(transposed=True, flipped_lr=c < 0, flipped_ud=b < 0)
    return Orientation(transposed=False, flipped_lr=a < 0, flipped_ud=d < 0)


def display_size(
    frame: VideoFrame, stream: VideoStream, turned: Orientation | None = None
) -> tuple[int, int]:
    """(width, height) on screen: square pixels, after rotation.

    Args:
        frame: what is shown.
        stream: where it comes from.
        turned: the orientation; None for what the frame itself says.
    """
    turned = orientation(frame) if turned is None else turned
    aspect = stream.sample_aspect_ratio or 1
    width, height = max(1, round(frame.width * aspect)), frame.height
    return (height, width) if turned.transposed else (width, height)


def caveats(frame: VideoFrame) -> tuple[str, ...]:
    """What of a frame is shown otherwise than it is meant: "hdr", "interlaced"."""
    named = {"hdr": frame.color_trc in _HDR, "interlaced": frame.interlaced_frame}
    return tuple(name for name, holds in named.items() if holds)


def upright(
    frame: VideoFrame,
    size: tuple[int, int],
    reformatter: VideoReformatter,
    turned: Orientation | None = None,
) -> Pixels:
    """The picture as it is seen, scaled to `size` = (height, width).

    Args:
        frame: what is shown.
        size: of the result.
        reformatter: the scaler, which remembers its tables.
        turned: the orientation; None for what the frame itself says.
    """
    turned = orientation(frame) if turned is None else turned
    height, width = size[::-1] if turned.transposed else size
    shrinks = width * height < frame.width * frame.height
    scaled = reformatter.reformat(
        frame,
        width=width,
        height=height,
        format="rgb24",
        interpolation=(Interpolation.AREA if shrinks else Interpolation.BICUBIC) | EXACT,
        threads=1,
    )
    pixels: Any = scaled.to_ndarray()
    if turned.transposed:
        pixels = pixels.transpose(1, 0, 2)
    shown: Pixels = pixels[:: -1 if turned.flipped_ud else 1, :: -1 if turned.flipped_lr else 1]
    return shown
