"""Opening a file and reading its packets. Damage ends a file or is passed over; it never raises."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.video.stream import VideoStream

from kuleshov.errors import UnreadableVideoError
from kuleshov.locations import Location, reason


@contextmanager
def opened(path: Location) -> Iterator[tuple[Any, VideoStream]]:
    """(container, video stream) of a file.

    Where a file holds several video streams, FFmpeg's default one is used (`av_find_best_stream`:
    what ffplay shows).

    Raises:
        UnreadableVideoError: it is no video, or has no video stream that can be decoded; or it is
            remote and a part of it cannot be fetched, at any time while it is open.
    """
    with _bytes(path) as source:
        try:
            container = av.open(source)
        except (av.FFmpegError, OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            raise UnreadableVideoError(
                f"{path.name}: cannot be opened as a video: {said}"
            ) from error
        with container:
            yield container, _video_stream(container, path)


@contextmanager
def _bytes(path: Location) -> Iterator[Any]:
    """What PyAV reads a file through."""
    if isinstance(path, Path):
        # Whole, so that FFmpeg takes no name such as "concat:a" for one of its own protocols.
        yield os.path.abspath(path)
        return
    failures: list[OSError] = []
    try:
        with path.open("rb", failures) as file:
            yield file
    except (av.FFmpegError, OSError):
        if not failures:
            raise
    # FFmpeg may take a failure for the end of the file, which would only look shorter.
    if failures:
        said = reason(failures[0])
        raise UnreadableVideoError(f"{path.name}: cannot be read: {said}") from failures[0]


_PLAYLISTS = {"concat", "dash", "hls"}
"""Formats that hold no video but name others, which may lie anywhere."""


def _video_stream(container: Any, path: Location) -> VideoStream:
    if _PLAYLISTS & set(container.format.name.split(",")):
        raise UnreadableVideoError(f"{path.name}: is a playlist; give the videos that it names")
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        raise UnreadableVideoError(f"{path.name}: has no video stream")
    if stream.codec_context is None:
        raise UnreadableVideoError(f"{path.name}: no decoder for the video stream")
    # One thread per process: the parallelism is one process per core.
    stream.codec_context.thread_count = 1
    return stream


def packets(container: Any, stream: VideoStream) -> Iterator[Any]:
    """The stream's packets in the order in which they are decoded, and an empty one at the end.

    A file that ends in the middle of a packet ends with the one before it.
    """
    demuxed = container.demux(stream)
    while True:
        try:
            packet = next(demuxed, None)
        except av.FFmpegError:
            return
        if packet is None:
            return
        yield packet
