"""Videos to measure with: real clips in a loop, cut and encoded anew, the same ones each time.

    build/bench-corpus/360p/00-sk_bikes-30s.mp4
                       ...
                       1080p/21-mdn_flower-30s.mp4

Looped content is kinder to no side: each decodes what it decodes. What it cannot show is how the
share of B-frames and the length of groups of other collections move the figures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.video.frame import VideoFrame

from kuleshov.errors import UsageError
from kuleshov.randomness import fraction
from kuleshov.runners import Failed, runner

FPS = 25
_X264 = {"preset": "veryfast"}


class Spec(NamedTuple):
    """One video of the corpus."""

    source: str
    height: int
    seconds: int
    codec: str = "libx264"
    options: tuple[tuple[str, str], ...] = tuple(_X264.items())
    suffix: str = ".mp4"


BBB, BIKES, BOTTLES = "bbb_480p_30s.mp4", "sk_bikes.mp4", "intel_bottle-detection.mp4"
CARS, FLOWER, NASA = "intel_car-detection.mp4", "mdn_flower.mp4", "nasa_13013.mp4"
PANCAKE, PYRAMID = "de_pancake.mkv", "ax_bbb_800x640_pyramid_3b.mp4"

SPECS = [
    Spec(BIKES, 360, 30),
    Spec(BBB, 360, 40),
    Spec(BOTTLES, 360, 50),
    Spec(CARS, 360, 60),
    Spec(NASA, 360, 75),
    Spec(PANCAKE, 360, 90, suffix=".mkv"),
    Spec(BBB, 360, 105, options=(("preset", "veryfast"), ("g", "48"), ("bf", "0"))),
    Spec(BOTTLES, 360, 120),
    Spec(CARS, 480, 30),
    Spec(BBB, 480, 45),
    Spec(FLOWER, 480, 60),
    Spec(BIKES, 480, 75),
    Spec(PYRAMID, 480, 90),
    Spec(NASA, 480, 120),
    Spec(BBB, 720, 30),
    Spec(BOTTLES, 720, 30, "libx265", (("preset", "ultrafast"), ("x265-params", "log-level=none"))),
    Spec(FLOWER, 720, 40),
    Spec(PANCAKE, 720, 45, options=(("preset", "medium"),), suffix=".mkv"),
    Spec(CARS, 720, 60),
    Spec(PYRAMID, 720, 60),
    Spec(BIKES, 720, 90),
    Spec(FLOWER, 1080, 30),
    Spec(BBB, 1080, 30),
    Spec(CARS, 1080, 40),
]


def corpus(clips: Path, folder: Path) -> Path:
    """The folder with all videos of `SPECS`; what is missing is written.

    Raises:
        UsageError: a clip that is needed is missing, or cannot be encoded.
    """
    for spec in SPECS:
        if not (clips / spec.source).is_file():
            raise UsageError(f"{clips} has no {spec.source}; give the folder of the test clips")
    wanted = {folder / _name(number, spec) for number, spec in enumerate(SPECS)}
    for stale in {path for path in folder.rglob("*") if path.is_file()} - wanted:
        stale.unlink()
    # The longest work first, so that no core is left with it at the end.
    order = sorted(enumerate(SPECS), key=lambda item: -item[1].seconds * item[1].height ** 2)
    with runner("local") as run:
        for result in run.map(partial(_write, clips, folder), order):
            if isinstance(result, Failed):
                raise UsageError(f"a video of the corpus was not written: {result.reason}")
    return folder


def _name(number: int, spec: Spec) -> str:
    stem = Path(spec.source).stem
    return f"{spec.height}p/{number:02}-{stem}-{spec.seconds}s{spec.suffix}"


def _write(clips: Path, folder: Path, numbered: tuple[int, Spec]) -> None:
    number, spec = numbered
    path = folder / _name(number, spec)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part{spec.suffix}")
    with av.open(str(temporary), "w") as container:
        stream: Any = container.add_stream(spec.codec, rate=FPS, options=dict(spec.options))
        for i, frame in enumerate(_looped(clips / spec.source, number, spec.seconds * FPS)):
            width = round(spec.height * frame.width / frame.height / 2) * 2
            scaled = frame.reformat(width, spec.height, "yuv420p")
            if i == 0:
                stream.width, stream.height, stream.pix_fmt = width, spec.height, "yuv420p"
                stream.thread_count = 1
            scaled.pts, scaled.time_base = i, Fraction(1, FPS)
            scaled.pict_type = 0  # the encoder decides, not the file that it came from
            container.mux(stream.encode(scaled))
        container.mux(stream.encode())
    os.replace(temporary, path)


def _looped(source: Path, number: int, count: int) -> Iterator[VideoFrame]:
    """`count` frames of a clip from a place of its own, again from the start where it ends."""
    with av.open(str(source)) as container:
        length = sum(1 for _ in container.decode(video=0))
    skipped = int(fraction("corpus", number) * length)
    given = 0
    while given < count:
        with av.open(str(source)) as container:
            for frame in container.decode(video=0):
                if skipped:
                    skipped -= 1
                    continue
                if given == count:
                    return
                yield frame
                given += 1
