"""Section: samples as the model sees them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from PIL import Image

from kuleshov.locations import Location
from kuleshov.media import render as render_media
from kuleshov.report.page import Section, render
from kuleshov.sample import Pixels, Sample
from kuleshov.tasks import task_of

_THUMBNAIL = 112  # pixels high; smaller frames are shown as they are, without loss


class Pick(NamedTuple):
    """A sample to show, with the reason."""

    sample: Sample
    why: str


def gallery(picks: Sequence[Pick], root: Location, title: str = "Gallery") -> Section:
    """Contact sheets of exactly the frames that the model was given.

    Args:
        picks: the samples to show.
        root: the folder of videos.
        title: the section's heading.
    """
    return Section(title, render("gallery.html", items=[_item(pick, root) for pick in picks]))


def _item(pick: Pick, root: Location) -> dict[str, Any]:
    sample = pick.sample
    media = [
        {
            "name": f"{placeholder} {number}" if len(sample.media) > 1 else placeholder,
            "frames": [
                {
                    "src": thumbnail(frame),
                    "source": f"{recipe.source_seconds:.2f}",
                    "shown": f"{recipe.shown_seconds:.2f}",
                    "edited": _is_edited(item.edits, index, len(item.frames)),
                }
                for index, (frame, recipe) in enumerate(zip(pixels, item.frames, strict=True))
            ],
        }
        for number, (placeholder, item, pixels) in enumerate(
            zip(sample.placeholders, sample.media, render_media(sample, root), strict=True), 1
        )
    ]
    return {
        "sample": sample,
        "why": pick.why,
        "video": sample.path,
        "media": media,
        "truth": task_of(sample).write(sample.answer, sample),
    }


def _is_edited(edits: Sequence[dict[str, Any]], index: int, count: int) -> bool:
    return any(edit.get("start", 0) <= index < edit.get("stop", count) for edit in edits)


def thumbnail(frame: Pixels) -> str:
    """A frame as a data URL: PNG if it is small, else a JPEG of reduced size."""
    image = Image.fromarray(frame)
    buffer = io.BytesIO()
    if image.height <= _THUMBNAIL:
        image.save(buffer, "PNG")
        kind = "png"
    else:
        image.thumbnail((4 * _THUMBNAIL, _THUMBNAIL))
        image.save(buffer, "JPEG", quality=85)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
