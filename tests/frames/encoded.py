"""Small files in any codec, to decode in the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av

from kuleshov.sample import Pixels


def encode(path: Path, codec: str, options: dict[str, str], frames: Pixels) -> None:
    """Write frames at 12 per second with an encoder of PyAV's FFmpeg."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=12)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = options
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
