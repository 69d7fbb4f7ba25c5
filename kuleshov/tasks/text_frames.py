"""Which of these events is told first, in a text whose pages are the frames of a video?

T2Vid (arXiv 2411.19951): a long text is cut in pieces of at most 115 words, each is drawn on a
white frame, and the frames in order are the video. T2Vid asks what the text's own data set asks;
here both text and question are made up, so the answer is known without labels.

    frame 1                   frame 2                   ...
    The red box was opened.   The white door was sold.
    The blue cup was hidden.  ...
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import isqrt
from typing import ClassVar, Self

import numpy as np

from kuleshov.errors import UsageError
from kuleshov.lettering import fits
from kuleshov.sample import Frame, MediaItem, Sample, Skip, Video
from kuleshov.tasks.choice import Choice
from kuleshov.tasks.stories import NUM_EVENTS, Event, events
from kuleshov.tasks.task import Donors

QUESTION = (
    "<video>\nThe frames of this video are the pages of a text. Which of these events is told "
    "{place}?"
)


@dataclass(frozen=True, kw_only=True)
class TextFrames(Choice):
    """Events on pages of text, to be put in time.

    `default` differs from `paper` in this:
        - frames_per_page: every page is shown on two frames; video models merge frames in pairs,
          and two pages on top of each other cannot be read.

    Pages, text and question are ours; size, font size, margin and words of a page are T2Vid's,
    and its pages too are square. Frames are `max_pixels` large whatever `min_pixels` says. Each
    frame's source is the middle of the video, of which nothing is left to see: it is decoded
    for nothing, once for each sample, and the video only decides the split.

    Args:
        num_pages: pieces of text.
        max_words: of a page; fewer where they do not fit.
        num_options: events to choose among, each from another page.
        font_size: in pixels of a frame of 448 x 448; in proportion in another one.
        margin: likewise.
        frames_per_page: how many frames show the same page, one second each.
    """

    name: ClassVar[str] = "text_frames"
    about_order: ClassVar[bool] = True

    min_pixels: int = 448 * 448
    max_pixels: int = 448 * 448
    num_pages: int = 8
    max_words: int = 115
    num_options: int = 4
    font_size: int = 20
    margin: int = 20
    frames_per_page: int = 2

    def __post_init__(self) -> None:
        if not 2 <= self.num_options <= self.num_pages or self.num_options > 26:
            raise UsageError(
                f"text_frames: num_options is {self.num_options} for {self.num_pages} pages; "
                "allowed: 2 to 26, and no more than num_pages"
            )
        if self.num_pages * self.frames_per_page % 2:
            raise UsageError(
                f"text_frames: {self.num_pages} pages on {self.frames_per_page} frame each; need "
                "an even number of frames"
            )
        if self.num_pages * self._per_page() > NUM_EVENTS or not self._per_page():
            raise UsageError(
                f"text_frames: {self.num_pages} pages of {self.max_words} words; need 5 words or "
                f"more to a page, of a size that fits it, and at most {NUM_EVENTS * 5} in all"
            )

    @classmethod
    def paper(cls) -> Self:
        return cls(frames_per_page=1, reading="exact")

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        size = self._per_page()
        told = events(self.num_pages * size, rng)
        pages = [told[i : i + size] for i in range(0, len(told), size)]
        chosen = np.sort(rng.permutation(self.num_pages)[: self.num_options])
        options = [pages[page][rng.integers(size)] for page in chosen]
        last = bool(rng.integers(2))
        if last:
            options.reverse()
        middle = round(video.start + video.duration / 2, 6)
        frames = tuple(
            Frame(video.id, middle, float(i)) for i in range(self.num_pages * self.frames_per_page)
        )
        side, font_size, margin = self._layout()
        edits = tuple(
            {
                "edit": "text",
                "start": i * self.frames_per_page,
                "stop": (i + 1) * self.frames_per_page,
                "text": _text(page),
                "font_size": font_size,
                "margin": margin,
            }
            for i, page in enumerate(pages)
        )
        return self.ask(
            [video],
            [MediaItem(frames, side, side, edits)],
            QUESTION.format(place="last" if last else "first"),
            [option.sentence for option in options],
            rng,
        )

    def _layout(self) -> tuple[int, int, int]:
        """Side of a frame, font size and margin, in pixels."""
        side = max(1, isqrt(self.max_pixels) // self.size_multiple) * self.size_multiple
        return side, max(1, round(self.font_size * side / 448)), round(self.margin * side / 448)

    def _per_page(self) -> int:
        return _room(*self._layout(), self.max_words)

    def switched_off(self, sample: Sample) -> Sample:
        """White pages."""
        (item,) = sample.media
        edits = tuple({**edit, "text": ""} for edit in item.edits)
        return replace(sample, media=(replace(item, edits=edits),))


@lru_cache
def _room(side: int, font_size: int, margin: int, max_words: int) -> int:
    """Events that every page has room for, whatever they are; so it tells nothing of them."""
    longest = Event("yellow", "bottle", "dropped")
    counts = range(max_words // 5, 0, -1)
    drawable = (n for n in counts if fits(_text([longest] * n), side, side, font_size, margin))
    return next(drawable, 0)


def _text(page: list[Event]) -> str:
    return " ".join(event.sentence for event in page)
