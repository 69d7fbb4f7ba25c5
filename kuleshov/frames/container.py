"""Opening a file and reading its packets. Damage ends a file or is passed over; it never raises."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.container.core import Flags
from av.stream import Disposition
from av.video.stream import VideoStream

from kuleshov.errors import UnreadableVideoError
from kuleshov.frames.clock import on_one_clock
from kuleshov.frames.encryption import looks_encrypted
from kuleshov.locations import Location, reason
from kuleshov.runners.system import of_the_machine


class Unshowable(Exception):
    """Why what a file shows, or when, cannot be told; `opened` adds the file's name."""


class Undecodable(Unshowable):
    """Nothing can be decoded, and the reason may be another one than it seems."""


@contextmanager
def opened(path: Location) -> Iterator[tuple[Any, VideoStream]]:
    """(container, video stream) of a file.

    Where a file holds several video streams, FFmpeg's default one is used (`av_find_best_stream`:
    what ffplay shows), but no cover picture.

    Raises:
        UnreadableVideoError: it is no video, has no video stream that can be decoded, is
            encrypted, or an `Unshowable` came up; or it is remote and a part of it cannot be
            fetched, at any time while it is open.
    """
    with _bytes(path) as source:
        try:
            # Old files have titles in other encodings than UTF-8.
            container = av.open(source, metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            if (number := of_the_machine(error)) is not None:
                raise OSError(number, os.strerror(number)) from error
            said = f"cannot be opened as a video: {getattr(error, 'strerror', None) or error}"
            said = _ENCRYPTED if looks_encrypted(path) else said
            raise UnreadableVideoError(f"{path.name}: {said}") from error
        with container:
            # Set by PyAV, it lets FFmpeg make up presentation times that step back and forth.
            container.flags &= ~Flags.gen_pts.value
            try:
                yield container, _video_stream(container)
            except Unshowable as error:
                hidden = isinstance(error, Undecodable) and looks_encrypted(path)
                said = _ENCRYPTED if hidden else str(error)
                raise UnreadableVideoError(f"{path.name}: {said}") from error


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

_ENCRYPTED = "is encrypted; give it decrypted, as its owner can"


def _video_stream(container: Any) -> VideoStream:
    if _PLAYLISTS & set(container.format.name.split(",")):
        raise Unshowable("is a playlist; give the videos that it names")
    stream = container.streams.best("video")
    if isinstance(stream, VideoStream) and _is_cover(stream):
        moving = (other for other in container.streams.video if not _is_cover(other))
        stream = next(moving, None)
        if stream is None:
            raise Unshowable("has no video stream but a cover picture")
    if not isinstance(stream, VideoStream):
        raise Undecodable("has no video stream")
    if _says_encrypted(container, stream):
        raise Unshowable(_ENCRYPTED)
    if stream.codec_context is None:
        raise Undecodable("no decoder for the video stream")
    # One thread per process: the parallelism is one process per core.
    stream.codec_context.thread_count = 1
    return stream


def _is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def _says_encrypted(container: Any, stream: VideoStream) -> bool:
    """Whether the header says so: a tag of MP4, a key of WebM, or a scheme of ASF."""
    try:
        tag = stream.codec_context.codec_tag if stream.codec_context else ""
    except UnicodeDecodeError:  # PyAV's, of a tag that is no text
        tag = ""
    schemes = {"encryption", "ASF_Protection_Type"} & set(container.metadata)
    return tag in ("drmi", "encv") or "enc_key_id" in stream.metadata or bool(schemes)


def packets(container: Any, stream: VideoStream) -> Iterator[Any]:
    """The stream's packets in the order in which they are decoded, and an empty one at the end.

    Their times are on one clock. A file that ends in the middle of a packet ends with the one
    before it.

    Raises:
        Unshowable: a packet is encrypted.
    """
    return on_one_clock(_demuxed(container, stream), container, stream)


def _demuxed(container: Any, stream: VideoStream) -> Iterator[Any]:
    demuxed = container.demux(stream)
    while True:
        try:
            packet = next(demuxed, None)
        except av.FFmpegError:
            return
        if packet is None:
            return
        # Not asked of each packet: what starts in the clear is encrypted from a key frame on.
        if packet.is_keyframe and packet.has_sidedata("encryption_info"):
            raise Unshowable(_ENCRYPTED)
        yield packet
