"""What FFmpeg's command line shows of a file: the referee of `benchmarks.outside_cells`.

    ffmpeg -i FILE -map 0:v:0 -an -vf showinfo,... -fps_mode passthrough -f rawvideo -

Every frame that comes out of the filters, with the time that `showinfo` prints. A file is on its
default timeline, which starts where the container does.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np

from benchmarks.barcode import LOOKED_AT, number

Frames = list[tuple[int, float]]
"""(number, seconds) of each frame in the order in which they are shown."""


def ffmpeg() -> str | None:
    """The command, where it is installed."""
    return shutil.which("ffmpeg")


def version(command: str) -> str:
    said = subprocess.run([command, "-version"], capture_output=True, text=True, check=True)
    return said.stdout.split("\n")[0].split(" Copyright")[0]


def decoded(command: str, path: Path, size: tuple[int, int] = LOOKED_AT) -> Frames:
    """The frames of a file.

    Args:
        command: FFmpeg's.
        path: the file.
        size: (height, width) at which frames are looked at.

    Raises:
        RuntimeError: it shows other than the frames that it tells of.
    """
    height, width = size
    filters = f"showinfo,scale={width}:{height}:flags=area,format=gray"
    line = [command, "-hide_banner", "-nostdin", "-nostats", "-i", str(path), "-map", "0:v:0"]
    line += ["-an", "-vf", filters, "-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    done = subprocess.run(line, capture_output=True, timeout=300)
    said = done.stderr.decode(errors="replace")
    times = [float(time) for time in re.findall(r"] n: *\d+ pts: *\S+ *pts_time:(\S+)", said)]
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width)
    if len(frames) != len(times):
        raise RuntimeError(f"{path.name}: {len(frames)} frames and {len(times)} times")
    return [(number(frame), time) for frame, time in zip(frames, times, strict=True)]
