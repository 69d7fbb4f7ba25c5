"""Contact sheets: all frames of a sample on one picture.

A sample has two of them. One is what the model is given; on the other one the same frames are as
the video has them, without edits and in order of time, where that differs: the hidden segment is
to be seen, the shuffled clips are in their order. Both come from the recipe alone, so they know
nothing of any task.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont
from PIL.ImageFont import ImageFont as BitmapFont

from kuleshov.pairs import Place
from kuleshov.sample import MediaItem, Pixels, Sample

HEIGHT = 96
"""Pixels from top to bottom of a frame at most."""
WIDTH = 1328
"""Pixels of a sheet from left to right at most, unless one frame is wider: 8 frames of 16:9."""
GAP = 6
LABEL = 22
RED = (217, 45, 32)
GREY = (95, 102, 112)

_MEDIA = re.compile("<video>|<image>")


class Block(NamedTuple):
    """One media item on a sheet: rows of `columns` frames.

    Args:
        item: which one of the sample's media.
        frames: which of its frames, in the order in which they lie here.
        x: left edge of the first frame, in pixels.
        y: its top edge.
        columns: frames in a row.
        width: of a frame.
        height: of a frame.
    """

    item: int
    frames: tuple[int, ...]
    x: int
    y: int
    columns: int
    width: int
    height: int

    def box(self, place: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the frame at a place in `frames`."""
        row, column = divmod(place, self.columns)
        x, y = self.x + column * (self.width + GAP), self.y + row * (self.height + GAP)
        return x, y, x + self.width, y + self.height


class Sheet(NamedTuple):
    """Where everything lies on a picture of this size."""

    width: int
    height: int
    blocks: tuple[Block, ...]


def as_shown(sample: Sample, height: int = HEIGHT) -> Sheet:
    """Every frame in the order in which the model is given it, `height` pixels high at most."""
    items = [(i, range(len(item.frames))) for i, item in enumerate(sample.media)]
    return _laid_out(sample.media, items, height)


def as_in_video(sample: Sample) -> Sheet | None:
    """The same frames in the order of the videos; None if that is as shown, without any edit."""
    places = {video: place for place, video in enumerate(sample.video_ids)}
    items = []
    for i, item in enumerate(sample.media):
        moments = [
            (places.get(frame.video_id, len(places)), frame.source_seconds, index)
            for index, frame in enumerate(item.frames)
        ]
        items.append((min(moments), i, [index for _, _, index in sorted(moments)]))
    sheet = _laid_out(sample.media, [(i, frames) for _, i, frames in sorted(items)], HEIGHT)
    edited = any(item.edits for item in sample.media)
    return sheet if edited or sheet != as_shown(sample) else None


def _laid_out(
    media: Sequence[MediaItem], items: Iterable[tuple[int, Sequence[int]]], limit: int
) -> Sheet:
    label = LABEL if len(media) > 1 else 0
    blocks: list[Block] = []
    left, top, bottom, right = GAP, GAP, GAP, GAP
    for i, frames in items:
        height = min(limit, media[i].height)
        width = max(1, round(media[i].width * height / media[i].height))
        across = max(1, (WIDTH - GAP) // (width + GAP))
        rows = -(-len(frames) // across)
        columns = -(-len(frames) // rows)
        span = columns * (width + GAP)
        if left > GAP and left + span > WIDTH:
            left, top = GAP, bottom
        blocks.append(Block(i, tuple(frames), left, top + label, columns, width, height))
        bottom = max(bottom, top + label + rows * (height + GAP))
        right = max(right, left + span)
        left += span + 2 * GAP
    return Sheet(right, bottom, tuple(blocks))


def labels(sample: Sample) -> list[str]:
    """What the prompt calls each media item: "Clip 1" where a line says "Clip 1: <video>"."""
    before = _MEDIA.split(sample.prompt)[:-1]
    if len(before) != len(sample.media):
        before = [""] * len(sample.media)
    words = [text.rpartition("\n")[2].strip().removesuffix(":") for text in before]
    return [word if 0 < len(word) <= 20 else f"<video> {i}" for i, word in enumerate(words, 1)]


def drawn(
    sheet: Sheet, media: Sequence[Pixels], labels: Sequence[str], marks: Iterable[Place] = ()
) -> bytes:
    """A sheet as JPEG.

    Args:
        sheet: where everything lies.
        media: the frames of each media item.
        labels: what each media item is called; a single one is not labelled.
        marks: frames to frame in red.
    """
    marks = set(marks)
    picture = Image.new("RGB", (sheet.width, sheet.height), "white")
    draw = ImageDraw.Draw(picture)
    for block in sheet.blocks:
        if len(media) > 1:
            where = (block.x, block.y - LABEL + 1)
            draw.text(where, labels[block.item], fill=GREY, font=_font())
        for place, index in enumerate(block.frames):
            x, y, right, bottom = block.box(place)
            if (block.item, index) in marks:
                edge = GAP // 2
                draw.rectangle((x - edge, y - edge, right + edge - 1, bottom + edge - 1), fill=RED)
            frame = Image.fromarray(media[block.item][index])
            size = (block.width, block.height)
            small = frame if frame.size == size else frame.resize(size, Image.Resampling.BOX)
            picture.paste(small, (x, y))
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=82, subsampling="4:4:4", optimize=True)
    return file.getvalue()


@cache
def _font() -> FreeTypeFont | BitmapFont:
    return ImageFont.load_default(15)
