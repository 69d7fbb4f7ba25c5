"""Pure edits on frames, and the control transforms built from them.

An edit is a small JSON object: a name from `EDITS`, the half-open range of frames that it acts
on (all of them where it does not say), and its parameters:

    {"edit": "zoom_out", "start": 12, "stop": 24, "scale": 1.3}

Each function takes the pixels of that range, shape (frames, height, width, 3), and returns as
many frames of the same size. Edited and untouched frames take the same way to the model: nothing
is compressed in between, so nothing but the edit tells them apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from kuleshov.errors import UsageError, unknown_name
from kuleshov.lettering import page
from kuleshov.randomness import rng_for
from kuleshov.sample import Json, MediaItem, Pixels, Sample

GREY = 128
"""The value of all three channels of a frame that shows nothing."""


def invert(frames: Pixels) -> Pixels:
    """255 - x (VideoSSR `Invert`)."""
    return 255 - frames


def channel_swap(frames: Pixels) -> Pixels:
    """Red and blue change places (VideoSSR `ChannelSwap`)."""
    return frames[..., ::-1]


def mirror(frames: Pixels) -> Pixels:
    """Left and right change places (VideoSSR `Mirror`)."""
    return frames[:, :, ::-1]


def flip(frames: Pixels) -> Pixels:
    """Upside down; left and right stay."""
    return frames[:, ::-1]


def rotate180(frames: Pixels) -> Pixels:
    """Upside down and left to right (VideoSSR `Rotate180`)."""
    return frames[:, ::-1, ::-1]


def zoom_out(frames: Pixels, scale: float | list[float]) -> Pixels:
    """Shrunk by `scale` and put in the middle of black (VideoSSR `ZoomOut`, Lanczos).

    A list gives one scale for each frame, as the published code draws them.
    """
    scales = scale if isinstance(scale, list) else [scale] * len(frames)
    result = np.zeros_like(frames)
    for frame, out, factor in zip(frames, result, scales, strict=True):
        height, width = (max(1, int(side / factor)) for side in frame.shape[:2])
        top, left = (frame.shape[0] - height) // 2, (frame.shape[1] - width) // 2
        small = Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS)
        out[top : top + height, left : left + width] = np.asarray(small)
    return result


def reorder(frames: Pixels, order: list[int]) -> Pixels:
    """Frame i of the result is frame `order[i]` (VideoSSR `Shuffle`)."""
    return frames[order]


def hold(frames: Pixels, frame: int) -> Pixels:
    """One frame stays on screen for the whole range."""
    return np.repeat(frames[frame : frame + 1], len(frames), axis=0)


def text(frames: Pixels, text: str, font_size: int, margin: int) -> Pixels:
    """Black text on white in the place of each frame, see lettering.py."""
    height, width = frames.shape[1:3]
    return np.broadcast_to(page(text, height, width, font_size, margin), frames.shape)


def nothing(frames: Pixels) -> Pixels:
    """The frames as they are: what the audit puts in the place of an edit."""
    return frames


def grey(frames: Pixels) -> Pixels:
    """Nothing to see: a hidden segment, and the blind control."""
    return np.full_like(frames, GREY)


def shape(
    frames: Pixels,
    shape: str,
    x: float,
    y: float,
    size: float,
    angle: float,
    color: list[int],
) -> Pixels:
    """A filled circle, square or triangle on top of each frame (VideoSSR `counting.py`).

    Args:
        frames: what to draw on.
        shape: "circle", "square" or "triangle" (equilateral).
        x: centre, as a share of the width.
        y: centre, as a share of the height.
        size: diameter or side, as a share of the shorter side of the frame; 0 draws nothing.
        angle: rotation in degrees.
        color: red, green, blue, each 0 to 255.
    """
    height, width = frames.shape[1:3]
    side = size * min(height, width)
    drawn = []
    for frame in frames:
        image = Image.fromarray(frame)
        if side:
            points = _outline(shape, x * width, y * height, side, angle)
            ImageDraw.Draw(image).polygon(points, fill=tuple(color))
        drawn.append(np.asarray(image))
    return np.stack(drawn)


def _outline(
    shape: str, x: float, y: float, side: float, angle: float
) -> list[tuple[float, float]]:
    """Corners, counted from a circumscribed circle; a circle is a polygon of 48 corners."""
    corners, radius = {
        "circle": (48, side / 2),
        "square": (4, side / math.sqrt(2)),
        "triangle": (3, side / math.sqrt(3)),
    }[shape]
    turns = [math.radians(angle) + 2 * math.pi * i / corners for i in range(corners)]
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]


EDITS: dict[str, Callable[..., Pixels]] = {
    "channel_swap": channel_swap,
    "flip": flip,
    "grey": grey,
    "hold": hold,
    "invert": invert,
    "mirror": mirror,
    "nothing": nothing,
    "reorder": reorder,
    "rotate180": rotate180,
    "shape": shape,
    "text": text,
    "zoom_out": zoom_out,
}


def apply(frames: Pixels, edits: Iterable[dict[str, Json]]) -> Pixels:
    """The frames after all edits, in order; the input is left as it was.

    Raises:
        UsageError: an edit that is not in `EDITS`, or with parameters that it does not take.
    """
    frames = frames.copy()
    for edit in edits:
        params = dict(edit)
        name = params.pop("edit")
        if name not in EDITS:
            raise unknown_name("edit", name, EDITS)
        here = slice(params.pop("start", 0), params.pop("stop", len(frames)))
        try:
            frames[here] = EDITS[name](frames[here], **params)
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise UsageError(f"edit {edit} cannot be applied: {error}") from error
    return frames


def _blind(item: MediaItem, *key: str | int) -> MediaItem:
    return item.edited({"edit": "grey"})


def _single(item: MediaItem, *key: str | int) -> MediaItem:
    return item.edited({"edit": "hold", "frame": len(item.frames) // 2})


def _shuffled(item: MediaItem, *key: str | int) -> MediaItem:
    order = rng_for("control", "shuffled", *key).permutation(len(item.frames))
    return item.edited({"edit": "reorder", "order": order.tolist()})


def _reversed(item: MediaItem, *key: str | int) -> MediaItem:
    return item.edited({"edit": "reorder", "order": list(range(len(item.frames)))[::-1]})


CONTROLS: dict[str, Callable[..., MediaItem]] = {
    "blind": _blind,
    "single": _single,
    "shuffled": _shuffled,
    "reversed": _reversed,
}
"""What a model is tested without: all frames grey, only the middle frame, no order, no direction.

Each acts on what the model would have seen, edits included, within each media item; the number
of frames and the shown times stay, so that prompts and token counts do not change.
"""


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
