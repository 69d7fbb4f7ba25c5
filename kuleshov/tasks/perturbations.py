"""What can happen to a segment of a video: the perturbations of VideoSSR, in paper and code.

    on pixels       saturation noise blur grayscale invert channel_swap
                    zoom_in zoom_out mirror rotate90 rotate180 rotate270
    on order        shuffle stutter
    on where the    slow fast           other times of the video
    frames are from swap                another video

The first two are an edit (edits.py). The last one changes where frames come from and never the
clock that is shown; its edit, `nothing`, marks the segment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kuleshov.sample import Frame, Json

Strength = float | list[float]
"""Of noise or zoom: one for a segment, or one for each of its frames."""

_CLOCK = (
    "; the time stamps of the frames are evenly spaced there too and do not show it, so do not "
    "trust them but judge by the motion"
)
DESCRIPTIONS = {
    "blur": "the picture is blurred",
    "channel_swap": "the red and blue colour channels are swapped",
    "fast": "everything happens faster" + _CLOCK,
    "grayscale": "the picture is black and white",
    "invert": "the colours are inverted",
    "mirror": "the picture is mirrored left to right",
    "noise": "there is noise on the picture",
    "rotate180": "the picture is rotated by 180 degrees",
    "rotate270": "the picture is rotated clockwise by 270 degrees",
    "rotate90": "the picture is rotated clockwise by 90 degrees",
    "saturation": "the colours are too strong",
    "shuffle": "the frames are shuffled, so that events happen out of order",
    "slow": "everything happens more slowly" + _CLOCK,
    "stutter": "the video stutters: it freezes on a frame, then jumps to a later one, and again",
    "swap": "another video is shown",
    "zoom_in": "the picture is zoomed in",
    "zoom_out": "the picture is zoomed out",
}
"""What the prompt says of each kind."""

MOVED = ("fast", "slow", "swap")
"""The kinds that change where frames come from."""

EDITED = tuple(kind for kind in DESCRIPTIONS if kind not in MOVED)
"""The kinds that are an edit."""

PAPER = (
    "saturation",
    "noise",
    "blur",
    "grayscale",
    "invert",
    "channel_swap",
    "zoom_in",
    "zoom_out",
    "rotate180",
    "mirror",
    "slow",
    "fast",
    "stutter",
    "shuffle",
)
"""The kinds of the paper's table 8; rotate90, rotate270 and swap are in the code only."""


def edit_of(
    kind: str,
    length: int,
    strength: Strength | None,
    ends_move: bool,
    rng: np.random.Generator,
) -> dict[str, Json]:
    """The edit of a segment, without its place.

    Args:
        kind: a name in `DESCRIPTIONS`.
        length: of the segment, in frames.
        strength: of noise (standard deviation) or zoom (factor).
        ends_move: no shuffle leaves the segment's first or last frame in its place.
        rng: draws the noise, the order or the number of holds (2 to 5, as published).
    """
    match kind:
        case "blur":
            return {"edit": kind, "radius": 2}
        case "noise":
            return {"edit": kind, "sigma": strength, "seed": int(rng.integers(2**32))}
        case "saturation":
            return {"edit": kind, "factor": 2}
        case "shuffle":
            return {"edit": "reorder", "order": shuffled(length, ends_move, rng)}
        case "stutter":
            return {"edit": "reorder", "order": stuttered(length, int(rng.integers(2, 6)))}
        case "zoom_in" | "zoom_out":
            return {"edit": kind, "scale": strength}
    return {"edit": "nothing" if kind in MOVED else kind}


def frames_of(
    kind: str,
    own: tuple[Frame, ...],
    lent: Sequence[tuple[Frame, ...]],
    start: int,
    stop: int,
    speed: float,
) -> tuple[Frame, ...]:
    """The frames of a video of which a segment is perturbed.

    Args:
        kind: a name in `DESCRIPTIONS`.
        own: the video's own frames, evenly spaced.
        lent: for swap, those of the one donor.
        start: first frame of the segment.
        stop: the one after its last.
        speed: of fast; slow is as many times as slow.
    """
    match kind:
        case "fast":
            return respaced(own, start, stop, speed)
        case "slow":
            return respaced(own, start, stop, 1 / speed)
        case "swap":
            return swapped(own, lent[0], start, stop)
    return own


def shuffled(length: int, ends_move: bool, rng: np.random.Generator) -> list[int]:
    """A random order other than the true one, which would be no perturbation.

    Args:
        length: of the segment, in frames.
        ends_move: neither the first nor the last frame stays where it is.
        rng: draws it.
    """
    last = length - 1
    order: list[int] = rng.permutation(length).tolist()
    while length > 1 and (
        order == sorted(order) or (ends_move and (order[0] == 0 or order[last] == last))
    ):
        order = rng.permutation(length).tolist()
    return order


def stuttered(length: int, holds: int) -> list[int]:
    """`holds` evenly spread frames of the segment, each repeated until they fill it.

    Fewer in a segment that has not more frames than that, where nothing would freeze (ours).

    >>> stuttered(8, 3)
    [0, 0, 0, 3, 3, 3, 7, 7]
    """
    holds = max(1, min(holds, length - 1))
    shown = np.linspace(0, length - 1, holds, dtype=int).tolist()
    return [frame for i, frame in enumerate(shown) for _ in range((length - i - 1) // holds + 1)]


def respaced(frames: Sequence[Frame], start: int, stop: int, rate: float) -> tuple[Frame, ...]:
    """A segment in which `rate` times as much time passes from frame to frame.

    The segment begins with its own first frame, or earlier where the video ends too soon for
    it, and the frames after it are their own: the end is a jump, ahead after a slow segment and
    back after a fast one (the paper leaves this open).

        shown    0  1  2  3  4  5  6  7  8  9
        source   0  1  2  4  6  8  6  7  8  9       start 2, stop 6, rate 2

    Args:
        frames: evenly spaced ones of one video.
        start: first frame of the segment.
        stop: the one after its last.
        rate: above 1 for fast; the last source time is never after that of the last frame.
    """
    origin = frames[0].source_seconds
    step = frames[-1].shown_seconds / (len(frames) - 1)
    first = min(start, len(frames) - 1 - (stop - start - 1) * rate)
    segment = [
        frame._replace(source_seconds=round(origin + (first + i * rate) * step, 6))
        for i, frame in enumerate(frames[start:stop])
    ]
    return (*frames[:start], *segment, *frames[stop:])


def swapped(
    frames: Sequence[Frame], donor: Sequence[Frame], start: int, stop: int
) -> tuple[Frame, ...]:
    """A segment of the donor's frames with the same indices, under the clock that was there."""
    segment = [
        lent._replace(shown_seconds=frame.shown_seconds)
        for frame, lent in zip(frames[start:stop], donor[start:stop], strict=True)
    ]
    return (*frames[:start], *segment, *frames[stop:])


def restored(frames: Sequence[Frame], start: int, stop: int) -> tuple[Frame, ...]:
    """The frames that `respaced` or `swapped` had; at least one lies outside of the segment."""
    own = frames[0] if start > 0 else frames[stop]
    origin = own.source_seconds - own.shown_seconds
    segment = [
        Frame(own.video_id, round(origin + frame.shown_seconds, 6), frame.shown_seconds)
        for frame in frames[start:stop]
    ]
    return (*frames[:start], *segment, *frames[stop:])
