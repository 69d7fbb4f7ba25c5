"""Pure edits on frames.

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
from functools import cache, lru_cache
from inspect import signature
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from kuleshov.errors import UsageError, unknown_name
from kuleshov.lettering import page
from kuleshov.sample import Json, Pixels

GREY = 128
"""The value of all three channels of a frame that shows nothing."""


def invert(frames: Pixels) -> Pixels:
    """255 - x (VideoSSR `Invert`)."""
    return 255 - frames


def channel_swap(frames: Pixels) -> Pixels:
    """Red and blue change places (VideoSSR `ChannelSwap`)."""
    return frames[..., ::-1]


def grayscale(frames: Pixels) -> Pixels:
    """Black and white (VideoSSR `Grayscale`): Pillow's 0.299 R + 0.587 G + 0.114 B."""
    return _pictures(frames, lambda picture: ImageOps.grayscale(picture).convert("RGB"))


def saturation(frames: Pixels, factor: float) -> Pixels:
    """Each value `factor` times as far from the pixel's grey (VideoSSR `Saturation`, 2.0)."""
    return _pictures(frames, lambda picture: ImageEnhance.Color(picture).enhance(factor))


def blur(frames: Pixels, radius: float) -> Pixels:
    """Out of focus (VideoSSR `Blur`, radius 2): a Gaussian of this deviation in pixels."""
    return _pictures(frames, lambda picture: picture.filter(ImageFilter.GaussianBlur(radius)))


def noise(frames: Pixels, sigma: float | list[float], seed: int) -> Pixels:
    """Gaussian noise, drawn anew for each value (VideoSSR `Noise`), clipped and cut to integers.

    Args:
        frames: what to make noisy.
        sigma: standard deviation in grey levels; a list gives one for each frame.
        seed: of the noise. The same noise on every platform and with every version of numpy,
            which promises that of raw bits alone: they pick from 65,536 normal quantiles.
    """
    bits = np.random.PCG64(seed)
    noisy = np.empty_like(frames)
    for frame, out, spread in zip(frames, noisy, _for_each(frames, sigma), strict=True):
        raw = bits.random_raw(-(-frame.size // 4)).astype("<u8").view("<u2")[: frame.size]
        added = spread * _normal_quantiles()[raw].reshape(frame.shape)
        out[:] = np.clip(frame + added, 0, 255).astype(np.uint8)
    return noisy


@lru_cache(maxsize=1)
def _normal_quantiles() -> npt.NDArray[np.float64]:
    """The middles of 2^16 equally likely slices of the standard normal distribution."""
    return np.array([NormalDist().inv_cdf((i + 0.5) / 2**16) for i in range(2**16)])


def mirror(frames: Pixels) -> Pixels:
    """Left and right change places (VideoSSR `Mirror`)."""
    return frames[:, :, ::-1]


def flip(frames: Pixels) -> Pixels:
    """Upside down; left and right stay."""
    return frames[:, ::-1]


def rotate180(frames: Pixels) -> Pixels:
    """Upside down and left to right (VideoSSR `Rotate180`)."""
    return frames[:, ::-1, ::-1]


def rotate90(frames: Pixels) -> Pixels:
    """A quarter turn clockwise (VideoSSR `Rotate90`), scaled to fit on black.

    Published, the turned picture is another size than the frames around it (`expand=True`), and
    whatever comes next resizes it; that it is fitted into the frame, undistorted, is ours.
    """
    return _turned(frames, -1)


def rotate270(frames: Pixels) -> Pixels:
    """Three quarter turns clockwise (VideoSSR `Rotate270`), fitted as `rotate90` is."""
    return _turned(frames, 1)


def zoom_in(frames: Pixels, scale: float | list[float]) -> Pixels:
    """The middle of the picture, `scale` times as large (VideoSSR `ZoomIn`, Lanczos).

    A list gives one scale for each frame, as the published code draws them.
    """
    height, width = frames.shape[1:3]
    zoomed = np.empty_like(frames)
    for frame, out, factor in zip(frames, zoomed, _for_each(frames, scale), strict=True):
        left, top = (width - width / factor) / 2, (height - height / factor) / 2
        middle = Image.fromarray(frame).crop((left, top, width - left, height - top))
        out[:] = np.asarray(middle.resize((width, height), Image.Resampling.LANCZOS))
    return zoomed


def zoom_out(frames: Pixels, scale: float | list[float]) -> Pixels:
    """Shrunk by `scale` and put in the middle of black (VideoSSR `ZoomOut`, Lanczos).

    A list gives one scale for each frame, as the published code draws them.
    """
    height, width = frames.shape[1:3]
    result = np.zeros_like(frames)
    for frame, out, factor in zip(frames, result, _for_each(frames, scale), strict=True):
        _put(out, frame, max(1, int(height / factor)), max(1, int(width / factor)))
    return result


def reorder(frames: Pixels, order: list[int]) -> Pixels:
    """Frame i of the result is frame `order[i]`, which may repeat (`Shuffle`, `StutterHold`)."""
    return frames[order]


def hold(frames: Pixels, frame: int) -> Pixels:
    """One frame stays on screen for the whole range."""
    return np.repeat(frames[frame : frame + 1], len(frames), axis=0)


def text(frames: Pixels, text: str, font_size: int, margin: int) -> Pixels:
    """Black text on white in the place of each frame, see lettering.py."""
    height, width = frames.shape[1:3]
    return np.broadcast_to(page(text, height, width, font_size, margin), frames.shape)


def nothing(frames: Pixels) -> Pixels:
    """The frames as they are: marks a segment without changing it.

    It stands where the segment's frames come from elsewhere, and where the audit switches an edit
    off.
    """
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


_CORNERS = {"circle": (48, 2.0), "square": (4, math.sqrt(2)), "triangle": (3, math.sqrt(3))}
"""Of each shape the number, and the side over the radius of the circle through them."""


def _outline(
    shape: str, x: float, y: float, side: float, angle: float
) -> list[tuple[float, float]]:
    """Corners, counted from a circumscribed circle; a circle is a polygon of 48 corners."""
    corners, across = _CORNERS[shape]
    radius = side / across
    turns = [math.radians(angle) + 2 * math.pi * i / corners for i in range(corners)]
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]


def _pictures(frames: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    return np.stack([np.asarray(change(Image.fromarray(frame))) for frame in frames])


def _for_each(frames: Pixels, value: float | list[float]) -> list[float]:
    """One value for each frame."""
    return value if isinstance(value, list) else [value] * len(frames)


def _turned(frames: Pixels, quarters: int) -> Pixels:
    """Turned by quarters, counterclockwise, and fitted into the frame."""
    height, width = frames.shape[1:3]
    share = min(height / width, width / height)
    result = np.zeros_like(frames)
    for frame, out in zip(frames, result, strict=True):
        turned = np.rot90(frame, quarters)
        _put(out, turned, max(1, round(width * share)), max(1, round(height * share)))
    return result


def _put(canvas: Pixels, picture: Pixels, height: int, width: int) -> None:
    """Put a picture, scaled to this size, in the middle of a canvas."""
    top, left = (canvas.shape[0] - height) // 2, (canvas.shape[1] - width) // 2
    scaled = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
    canvas[top : top + height, left : left + width] = np.asarray(scaled)


EDITS: dict[str, Callable[..., Pixels]] = {
    "blur": blur,
    "channel_swap": channel_swap,
    "flip": flip,
    "grayscale": grayscale,
    "grey": grey,
    "hold": hold,
    "invert": invert,
    "mirror": mirror,
    "noise": noise,
    "nothing": nothing,
    "reorder": reorder,
    "rotate180": rotate180,
    "rotate270": rotate270,
    "rotate90": rotate90,
    "saturation": saturation,
    "shape": shape,
    "text": text,
    "zoom_in": zoom_in,
    "zoom_out": zoom_out,
}


def _is_number(least: float, most: float) -> Callable[[Json, int], bool]:
    return lambda value, _: type(value) in (int, float) and least <= value <= most


def _is_whole(least: int, most: int) -> Callable[[Json, int], bool]:
    return lambda value, _: type(value) is int and least <= value <= most


def _each(one: Callable[[Json, int], bool]) -> Callable[[Json, int], bool]:
    """One value, or one for each frame."""

    def holds(value: Json, length: int) -> bool:
        if isinstance(value, list):
            return len(value) == length and all(one(each, length) for each in value)
        return one(value, length)

    return holds


def _is_order(value: Json, length: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == length
        and all(type(place) is int and 0 <= place < length for place in value)
    )


def _is_color(value: Json, _: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(type(part) is int and 0 <= part <= 255 for part in value)
    )


_PARAMETERS: dict[str, tuple[str, Callable[[Json, int], bool]]] = {
    "angle": ("-3600 to 3600", _is_number(-3600, 3600)),
    "color": ("three whole numbers from 0 to 255", _is_color),
    "factor": ("0 to 100", _is_number(0, 100)),
    "font_size": ("whole numbers from 1 to 1024", _is_whole(1, 1024)),
    "frame": ("a frame of the range", lambda value, n: type(value) is int and 0 <= value < n),
    "margin": ("whole numbers from 0 to 16384", _is_whole(0, 16_384)),
    "order": ("a frame of the range for each frame of it", _is_order),
    "radius": ("0 to 1000", _is_number(0, 1000)),
    "scale": ("1 to 1000, or one for each frame", _each(_is_number(1, 1000))),
    "seed": ("whole numbers from 0", _is_whole(0, 2**128 - 1)),
    "shape": ("circle, square, triangle", lambda value, _: value in (*_CORNERS,)),
    "sigma": ("0 to 1000, or one for each frame", _each(_is_number(0, 1000))),
    "size": ("0 to 10", _is_number(0, 10)),
    "text": ("text", lambda value, _: isinstance(value, str)),
    "x": ("-10 to 10", _is_number(-10, 10)),
    "y": ("-10 to 10", _is_number(-10, 10)),
}
"""What is allowed for a parameter, in words and as a rule of (value, frames of the range)."""


def problem(edit: Json, num_frames: int) -> str | None:
    """What would be allowed in the place of an edit that cannot be applied; None for one that can.

    Args:
        edit: from anywhere; it is not trusted.
        num_frames: of the media item.
    """
    if not isinstance(edit, dict) or edit.get("edit") not in (*EDITS,):
        return f"objects with an edit of {', '.join(EDITS)}"
    start, stop = edit.get("start", 0), edit.get("stop", num_frames)
    if not (type(start) is type(stop) is int and 0 <= start <= stop <= num_frames):
        return f"start and stop as whole numbers in order from 0 to {num_frames}"
    takes = _takes(edit["edit"])
    if edit.keys() - {"edit", "start", "stop"} != takes:
        return f"the parameters {', '.join(sorted(takes)) or 'start and stop only'}"
    for name in takes:
        allowed, holds = _PARAMETERS[name]
        if not holds(edit[name], stop - start):
            return f"as {name}: {allowed}"
    return None


@cache
def _takes(name: str) -> frozenset[str]:
    return frozenset(signature(EDITS[name]).parameters) - {"frames"}


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
