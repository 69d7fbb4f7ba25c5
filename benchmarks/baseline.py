"""The data stage as one would write it in an afternoon, to measure ours against.

For each video 48 evenly spaced frames of its middle 90 %, decoded by decord as it comes (which is
what the official scripts use) at native size and written as JPEG by OpenCV; then the three tasks
of VideoSSR on these frames while they are in memory: a segment perturbed and written, shapes drawn
on some frames and written, and for the jigsaw nothing but a row. One process a core. It is not
made slow on purpose: nothing is read back, and it neither hashes, resumes nor tells a broken file
from a good one. The other way, two small frames a second, is decoded by OpenCV in sequence.

    python -m benchmarks.baseline VIDEOS OUT           frames and tasks
    python -m benchmarks.baseline VIDEOS OUT --looks   two small frames a second, as `masked` sees
"""

from __future__ import annotations

import argparse
import json
import os
import random
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from decord import VideoReader

NUM_FRAMES = 48
TRIM = 0.05
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]
SHAPES = ("circle", "square", "triangle")

Pixels = Any  # OpenCV has types of its own


def frames_at(capture: Any, wanted: list[int]) -> list[Pixels]:
    """Frames by number, in rising order; decoding ends after the last one."""
    frames: list[Pixels] = []
    position = 0
    for number in wanted:
        while position <= number:
            if not capture.grab():
                return frames
            position += 1
        ok, frame = capture.retrieve()
        if ok:
            frames.append(frame)
    return frames


def perturbed(frames: list[Pixels], rng: random.Random) -> tuple[list[Pixels], list[int]]:
    """The frames of a segment, perturbed, and where it starts and stops."""
    length = rng.randint(8, 16)
    start = rng.randint(0, len(frames) - length)
    segment = frames[start : start + length]
    kind = rng.choice(["channel_swap", "invert", "mirror", "rotate180", "shuffle", "zoom_out"])
    if kind == "channel_swap":
        segment = [cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in segment]
    elif kind == "invert":
        segment = [cv2.bitwise_not(frame) for frame in segment]
    elif kind == "mirror":
        segment = [cv2.flip(frame, 1) for frame in segment]
    elif kind == "rotate180":
        segment = [cv2.flip(frame, -1) for frame in segment]
    elif kind == "shuffle":
        segment = rng.sample(segment, length)
    else:
        segment = [_zoomed_out(frame, rng.uniform(1.2, 1.4)) for frame in segment]
    return segment, [start, start + length]


def _zoomed_out(frame: Pixels, scale: float) -> Pixels:
    height, width = frame.shape[:2]
    small = cv2.resize(
        frame, (int(width / scale), int(height / scale)), interpolation=cv2.INTER_AREA
    )
    result = np.zeros_like(frame)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    result[top : top + small.shape[0], left : left + small.shape[1]] = small
    return result


def counted(frames: list[Pixels], rng: random.Random) -> tuple[dict[int, Pixels], list[int]]:
    """Frames with shapes drawn on them, by number, and how many there are of each shape."""
    drawn: dict[int, Pixels] = {}
    counts = []
    for shape in SHAPES:
        count = 0
        for number in rng.sample(range(len(frames)), rng.randint(1, 4)):
            canvas = drawn.setdefault(number, frames[number].copy())
            for _ in range(rng.randint(1, 3)):
                _draw(canvas, shape, rng)
                count += 1
        counts.append(count)
    return drawn, counts


def _draw(canvas: Pixels, shape: str, rng: random.Random) -> None:
    height, width = canvas.shape[:2]
    radius = int(min(height, width) * rng.uniform(0.05, 0.1))
    x, y = rng.randint(radius, width - radius), rng.randint(radius, height - radius)
    color = [rng.randint(0, 255) for _ in range(3)]
    if shape == "circle":
        cv2.circle(canvas, (x, y), radius, color, -1)
    elif shape == "square":
        cv2.rectangle(canvas, (x - radius, y - radius), (x + radius, y + radius), color, -1)
    else:
        corners = [(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)]
        cv2.fillPoly(canvas, [np.array(corners)], color)


def work(out: Path, path: Path) -> list[dict[str, Any]]:
    """The frames and the three tasks of one video; its rows."""
    cv2.setNumThreads(1)
    reader = VideoReader(str(path))
    total = len(reader)
    wanted = np.linspace(total * TRIM, total * (1 - TRIM) - 1, NUM_FRAMES).astype(int).tolist()
    frames = [cv2.cvtColor(x, cv2.COLOR_RGB2BGR) for x in reader.get_batch(wanted).asnumpy()]
    folder = out / path.stem
    folder.mkdir(parents=True)
    rng = random.Random(path.stem)
    segment, interval = perturbed(frames, rng)
    shapes, counts = counted(frames, rng)
    written = {
        "": dict(enumerate(frames)),
        "anomaly-": dict(enumerate(segment, interval[0])),
        "counting-": shapes,
    }
    for prefix, pictures in written.items():
        for number, picture in pictures.items():
            cv2.imwrite(str(folder / f"{prefix}{number:02}.jpg"), picture, QUALITY)

    def names(prefix: str) -> list[str]:
        changed = written[prefix]
        return [f"{prefix if i in changed else ''}{i:02}.jpg" for i in range(len(frames))]

    rows = [("anomaly", names("anomaly-"), interval), ("counting", names("counting-"), counts)]
    rows.append(("jigsaw", names(""), rng.sample(range(6), 6)))
    return [
        {"video": path.stem, "task": task, "frames": listed, "answer": answer}
        for task, listed, answer in rows
    ]


def look(path: Path) -> list[dict[str, Any]]:
    """Thumbnails of two frames for each second of a video."""
    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    total, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    wanted = np.arange(0, total, fps / 2).astype(int).tolist()
    frames = frames_at(capture, wanted)
    small = [cv2.resize(frame, (16, 16), interpolation=cv2.INTER_AREA) for frame in frames]
    return [{"video": path.stem, "frames": len(small)}]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.baseline")
    parser.add_argument("videos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--looks", action="store_true")
    args = parser.parse_args()
    paths = sorted(path for path in args.videos.rglob("*") if path.is_file())
    args.out.mkdir(parents=True)
    with Pool(os.cpu_count()) as pool:
        rows = pool.map(look if args.looks else partial(work, args.out), paths, chunksize=1)
        pool.close()
        pool.join()  # so that what the processes cost is known
    lines = [json.dumps(row) for row_list in rows for row in row_list]
    (args.out / "rows.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
