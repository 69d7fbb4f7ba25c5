"""A clip of a collection, and what its annotation says happens in it."""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """Something that happens.

    Args:
        text: what, in the words of the annotation.
        start: second of the clip at which it begins; None if that is not annotated.
        end: second at which it is over; likewise.
    """

    text: str
    start: float | None = None
    end: float | None = None

    @property
    def seconds(self) -> float | None:
        """How long it lasts, if that is known."""
        return None if self.start is None or self.end is None else self.end - self.start


class Clip(NamedTuple):
    """A clip.

    Args:
        path: of the file, below the root of the videos, with forward slashes.
        events: what happens in it.
    """

    path: str
    events: tuple[Event, ...]
