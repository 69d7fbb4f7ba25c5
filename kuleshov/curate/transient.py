"""Which events are transient: the paper's "1 second or spanning 5 frames at 25 FPS".

The comparison sign of the first is lost in the text that we have; at most is meant. The two do not
agree: 5 frames at 25 fps are 0.2 s. Which one holds is a knob.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kuleshov.curate.clip import Event
from kuleshov.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Transient:
    """The rule.

    Args:
        rule: at most `max_seconds`, or at most `max_frames` at `fps`.
        max_seconds: see there.
        max_frames: see there.
        fps: see there.
        unknown: whether an event is kept whose length is not annotated (all of HMDB51).
    """

    rule: Literal["seconds", "frames"] = "seconds"
    max_seconds: float = 1.0
    max_frames: int = 5
    fps: float = 25.0
    unknown: bool = True

    def __post_init__(self) -> None:
        if self.rule not in ("seconds", "frames"):
            raise UsageError(f"transient: rule is {self.rule!r}; allowed: seconds, frames")
        if min(self.max_seconds, self.max_frames, self.fps) <= 0:
            raise UsageError("transient: max_seconds, max_frames and fps are above 0")

    @property
    def limit(self) -> float:
        """The longest transient event, in seconds."""
        return self.max_seconds if self.rule == "seconds" else self.max_frames / self.fps

    def reason(self, event: Event) -> str | None:
        """Why an event is left out; None if it is kept."""
        if event.seconds is None:
            return None if self.unknown else "length of the event is not known"
        if event.seconds <= 0:
            return "event ends before it begins"
        # Times are decimals of frames: the limit itself is within.
        return None if event.seconds <= self.limit + 1e-6 else "event is not transient"
