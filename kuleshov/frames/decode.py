"""The frames at given times, in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from kuleshov.errors import UnreadableVideoError
from kuleshov.frames.container import opened
from kuleshov.frames.scale import UPRIGHT, display_size, orientation, upright
from kuleshov.frames.selective import Unproven, picked
from kuleshov.frames.sequential import on_screen
from kuleshov.locations import Location
from kuleshov.sample import Pixels

TOLERANCE = 1e-6
"""A time that was computed, or read back from JSON, may miss its frame's timestamp by a rounding
error; no video has frames this close together."""


def decode(path: Location, seconds: list[float], size: tuple[int, int]) -> Pixels:
    """The frames on screen at the given times, upright, scaled to `size` by swscale.

    Args:
        path: the video file.
        seconds: presentation times, in any order, repeats allowed.
        size: (height, width) of the result.

    Returns:
        uint8 array of shape (len(seconds), height, width, 3).

    Raises:
        UnreadableVideoError: the file cannot be decoded, or a time lies outside of it.
    """
    try:
        return gather(picked(path, seconds, TOLERANCE), path, seconds, size)
    except (Unproven, UnreadableVideoError):
        # The slow way decides, and knows what to say.
        return decode_in_sequence(path, seconds, size)


def decode_in_sequence(path: Location, seconds: list[float], size: tuple[int, int]) -> Pixels:
    """`decode` without its short cuts, which it is tested against."""
    with opened(path) as (container, stream):
        return gather(on_screen(container, stream), path, seconds, size)


def decode_all(path: Location) -> tuple[list[float], Pixels]:
    """Every frame of a short file in the size of the first one, and when each appears.

    Raises:
        UnreadableVideoError: no frame can be decoded.
    """
    seconds: list[float] = []
    frames: list[Pixels] = []
    reformatter, turned = VideoReformatter(), UPRIGHT
    with opened(path) as (container, stream):
        for appears, _, frame in on_screen(container, stream):
            turned = orientation(frame, turned)
            if not frames:
                width, height = display_size(frame, stream, turned)
            seconds.append(appears)
            frames.append(upright(frame, (height, width), reformatter, turned))
    if not frames:
        raise UnreadableVideoError(f"{path.name}: no frame of the video stream can be decoded")
    return seconds, np.stack(frames)


def gather(
    on_screen: Iterable[tuple[float, float, VideoFrame]],
    path: Location,
    seconds: list[float],
    size: tuple[int, int],
) -> Pixels:
    """`decode` of frames that come as (appears, disappears, frame) in order."""
    frames = np.empty((len(seconds), *size, 3), np.uint8)
    waiting = sorted(range(len(seconds)), key=lambda i: seconds[i], reverse=True)
    start, end = math.inf, math.nan
    reformatter, turned = VideoReformatter(), UPRIGHT
    for appears, disappears, frame in on_screen:
        start, end = min(start, appears), disappears
        turned = orientation(frame, turned)
        here = []
        while waiting and start - TOLERANCE <= seconds[waiting[-1]] < disappears - TOLERANCE:
            here.append(waiting.pop())
        if here:
            frames[here] = upright(frame, size, reformatter, turned)
        if not waiting or seconds[waiting[-1]] < start - TOLERANCE:
            break
    if waiting:
        raise UnreadableVideoError(
            f"{path.name}: no frame at {seconds[waiting[-1]]:.3f} s; the file shows {start:.3f} s "
            f"to {end:.3f} s. What else it holds does not decode, or it has changed since the "
            "samples were made"
        )
    return frames
