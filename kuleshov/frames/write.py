"""Frames into a file."""

from __future__ import annotations

import os
from pathlib import Path

import av
from av.video.reformatter import Interpolation, VideoReformatter

from kuleshov.frames.scale import EXACT
from kuleshov.sample import Pixels


def write_video(path: Path, frames: Pixels, fps: int) -> None:
    """Frames as an H.264 mp4 that every player opens; sides must be even.

    The same frames give the same bytes. For that x264 must do without B-frames and macroblock
    trees: on frames as small as 64 x 64 its look-ahead decides by memory that it never wrote.
    """
    temporary = path.with_suffix(".part.mp4")
    reformatter = VideoReformatter()
    with av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {
            "crf": "18",
            "preset": "veryfast",
            "threads": "1",
            "bf": "0",
            "x264-params": "mbtree=0",
        }
        for pixels in frames:
            frame = reformatter.reformat(
                av.VideoFrame.from_ndarray(pixels, format="rgb24"),
                format="yuv420p",
                interpolation=Interpolation.BICUBIC | EXACT,
                threads=1,
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    os.replace(temporary, path)
