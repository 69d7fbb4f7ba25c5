"""Text as a picture: black on white, in the font that Pillow brings along.

The same text gives the same pixels with the same versions of Pillow and FreeType. The font has
the letters of English; what it lacks is drawn as a box.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kuleshov.sample import Pixels

_SPACING = 1.2
"""From line to line, in font sizes."""


def fits(text: str, height: int, width: int, font_size: int, margin: int) -> bool:
    """Can `page` draw this text?"""
    rows = _lines(text, width - 2 * margin, font_size)
    return rows is not None and len(rows) * _SPACING * font_size <= height - 2 * margin


def page(text: str, height: int, width: int, font_size: int, margin: int) -> Pixels:
    """A text from the top left, wrapped between words.

    Args:
        text: words, apart by spaces.
        height: of the page, in pixels.
        width: of the page, in pixels.
        font_size: in pixels; lines are 1.2 of it apart.
        margin: left white at each side, in pixels.

    Returns:
        uint8 array of shape (height, width, 3).

    Raises:
        ValueError: the text does not fit.
    """
    if not fits(text, height, width, font_size, margin):
        raise ValueError(
            f"{len(text.split())} words of size {font_size} do not fit {height} x {width} pixels "
            f"with a margin of {margin}"
        )
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(_lines(text, width - 2 * margin, font_size) or []):
        top = margin + round(i * _SPACING * font_size)
        draw.text((margin, top), line, fill="black", font=_font(font_size))
    return np.asarray(image)


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _lines(text: str, width: int, font_size: int) -> list[str] | None:
    """As many words to a line as it holds; None if a word is too long for one."""
    font = _font(font_size)
    lines: list[str] = []
    for word in text.split():
        if font.getlength(word) > width:
            return None
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
