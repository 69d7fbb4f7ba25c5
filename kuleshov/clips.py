"""Short procedural videos whose motion has a direction in time.

In each scene kind something goes only one way (a ball loses height, a cup fills, a candle burns
down), so the order of its frames can be told by looking. Colours, places, sizes, speeds, texture
and camera drift are drawn for each clip from a generator keyed by (seed, index): a held-out clip
is a scene that was never seen. The demo and the tests use them; nothing is downloaded.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from kuleshov.errors import WriteError
from kuleshov.files import make_folder
from kuleshov.frames import write_video
from kuleshov.progress import Progress
from kuleshov.randomness import rng_for
from kuleshov.runners import Failed, runner
from kuleshov.sample import Pixels

SIZE = 64
FPS = 12
SECONDS = 4.0
_OVERSAMPLE = 2  # drawn larger and scaled down, for smooth edges

Color = tuple[int, int, int]


class Canvas:
    """A picture to draw on in shares of its side, and the look of one clip."""

    def __init__(self, picture: Image.Image, look: np.random.Generator) -> None:
        self.side = picture.width
        self.draw = ImageDraw.Draw(picture)
        self.color, self.other = _two_colors(look)
        self.place = look.uniform(-1, 1)
        self.size = look.uniform(0.1, 0.16)
        self.wiggle = look.uniform(0.8, 1.25)
        self.spokes = look.uniform(0, 2 * math.pi, size=9)

    def disc(self, x: float, y: float, radius: float, color: Color) -> None:
        box = [x - radius, y - radius, x + radius, y + radius]
        self.draw.ellipse([value * self.side for value in box], fill=color)

    def box(self, left: float, top: float, right: float, bottom: float, color: Color) -> None:
        box = [left, top, max(left, right), max(top, bottom)]
        self.draw.rectangle([value * self.side for value in box], fill=color)


def _fall(canvas: Canvas, t: float) -> None:
    """A ball falls and bounces, lower each time."""
    canvas.box(0, 0.9, 1, 1, canvas.other)
    height = 0.75 * abs(math.cos(7 * canvas.wiggle * t)) * math.exp(-2.5 * t)
    canvas.disc(0.5 + 0.25 * canvas.place, 0.9 - canvas.size - height, canvas.size, canvas.color)


def _fill(canvas: Canvas, t: float) -> None:
    """A cup fills."""
    left, right = 0.25 + 0.1 * canvas.place, 0.75 + 0.1 * canvas.place
    canvas.box(left - 0.04, 0.2, right + 0.04, 0.94, canvas.other)
    canvas.box(left, 0.2, right, 0.9, (20, 20, 20))
    canvas.box(left, 0.9 - 0.68 * t, right, 0.9, canvas.color)


def _grow(canvas: Canvas, t: float) -> None:
    """A thing grows on its stem."""
    x = 0.5 + 0.2 * canvas.place
    top = 0.9 - 0.5 * t
    canvas.box(x - 0.02, top, x + 0.02, 0.95, canvas.other)
    canvas.disc(x, top, 0.04 + 0.24 * t * canvas.wiggle, canvas.color)


def _burn(canvas: Canvas, t: float) -> None:
    """A candle burns down."""
    x, half = 0.5 + 0.2 * canvas.place, canvas.size
    top = 0.3 + 0.55 * t
    canvas.box(x - half, top, x + half, 0.95, canvas.color)
    canvas.disc(x, top - 0.07, 0.05, (255, 200, 40))


def _meet(canvas: Canvas, t: float) -> None:
    """Two things come together."""
    y, gap = 0.5 + 0.2 * canvas.place, 0.42 * (1 - t)
    canvas.disc(0.5 - gap, y, canvas.size, canvas.color)
    canvas.disc(0.5 + gap, y, canvas.size, canvas.other)


def _scatter(canvas: Canvas, t: float) -> None:
    """A heap flies apart."""
    for spoke in canvas.spokes:
        reach = (0.05 + 0.5 * t) * canvas.wiggle
        x, y = 0.5 + reach * math.cos(spoke), 0.5 + reach * math.sin(spoke)
        canvas.disc(x, y, 0.06, canvas.color)


KINDS: dict[str, Callable[[Canvas, float], None]] = {
    "burn": _burn,
    "fall": _fall,
    "fill": _fill,
    "grow": _grow,
    "meet": _meet,
    "scatter": _scatter,
}
"""What happens, as a function of progress in [0, 1]."""


def clip(seed: int, index: int, kind: str | None = None, seconds: float = SECONDS) -> Pixels:
    """One clip: uint8 array of shape (seconds * FPS, SIZE, SIZE, 3).

    Args:
        seed: of the collection.
        index: of the clip in it.
        kind: a name in `KINDS`; drawn if None.
        seconds: how long.
    """
    rng = rng_for("clip", seed, index)
    drawn = sorted(KINDS)[rng.integers(len(KINDS))]
    play = KINDS[kind or drawn]
    backdrop = _backdrop(rng)
    drift = rng.uniform(-5, 5, size=2)
    begin, end = rng.uniform(0, 0.1), rng.uniform(0.9, 1)
    look = int(rng.integers(2**32))
    num_frames = round(seconds * FPS)
    frames = []
    for i in range(num_frames):
        u = i / (num_frames - 1)
        dx, dy = (drift * (u - 0.5)).round().astype(int)
        picture = Image.fromarray(np.roll(backdrop, (dy, dx), axis=(0, 1)))
        # The same look for every frame of a clip.
        play(Canvas(picture, np.random.default_rng(look)), begin + (end - begin) * u)
        frames.append(np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BOX)))
    return np.stack(frames)


def write_clips(
    folder: Path,
    count: int,
    seed: int,
    seconds: float = SECONDS,
    workers: int | None = 0,
    progress: Progress = lambda *_: None,
) -> None:
    """Write `count` clips as mp4 files; those that are there already are left alone.

    Args:
        folder: where to write.
        count: how many.
        seed: of the collection.
        seconds: how long each one is.
        workers: processes, which change no clip; None for one a core, 0 for none but this one.
        progress: told of every clip.
    """
    make_folder(folder)
    progress("making clips", 0, count)
    with runner("local", workers) as run:
        written = run.map(partial(_write_clip, folder, seed, seconds), range(count))
        for done, path in enumerate(written, 1):
            if isinstance(path, Failed):
                raise WriteError(f"a clip was not written to {folder}: {path.reason}")
            progress("making clips", done, count)


def _write_clip(folder: Path, seed: int, seconds: float, index: int) -> Path:
    path = folder / f"clip-{index:04}.mp4"
    if not path.exists():
        write_video(path, clip(seed, index, seconds=seconds), FPS)
    return path


def _backdrop(rng: np.random.Generator) -> Pixels:
    """A soft, dim texture, so that no two clips have the same ground."""
    side = SIZE * _OVERSAMPLE
    coarse = rng.uniform(10, 80, size=(5, 5, 3)).astype(np.uint8)
    smooth = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(smooth)


def _two_colors(rng: np.random.Generator) -> tuple[Color, Color]:
    """Two light colours with different hues, which stand out from any backdrop."""
    hue = rng.uniform()
    pair = []
    for turn in (0.0, rng.uniform(0.3, 0.7)):
        rgb = colorsys.hsv_to_rgb((hue + turn) % 1, rng.uniform(0.2, 0.7), rng.uniform(0.85, 1))
        red, green, blue = (round(255 * value) for value in rgb)
        pair.append((red, green, blue))
    return pair[0], pair[1]
