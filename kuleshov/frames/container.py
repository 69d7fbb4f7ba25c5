"""Opening a file and reading its packets. Damage ends a file or is passed over; it never raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.video.stream import VideoStream

from kuleshov.errors import UnreadableVideoError


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, VideoStream]]:
    """(container, video stream) of a file.

    Where a file holds several video streams, FFmpeg's default one is used (`av_find_best_stream`:
    what ffplay shows).

    Raises:
        UnreadableVideoError: it is no video, or has no video stream that can be decoded.
    """
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreadableVideoError(f"{path.name}: cannot be opened as a video: {reason}") from error
    with container:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise UnreadableVideoError(f"{path.name}: has no video stream")
        if stream.codec_context is None:
            raise UnreadableVideoError(f"{path.name}: no decoder for the video stream")
        # One thread per process: the parallelism is one process per core.
        stream.codec_context.thread_count = 1
        yield container, stream


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
