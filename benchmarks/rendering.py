"""Samples to JPEG files: a stand-in for a command that renders a whole set.

The frames of all samples of a video are decoded in one go, edits are applied, and each distinct
picture is written once, under a name from its content.

    python -m benchmarks.rendering SAMPLES OUT
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image

from kuleshov.dataset import load_samples, videos_root
from kuleshov.edits import apply
from kuleshov.errors import UsageError
from kuleshov.frames import decode
from kuleshov.runners import Failed, runner
from kuleshov.sample import Json, Pixels, Sample

QUALITY = 80


def render_all(samples: Path, out: Path) -> None:
    """Write every distinct frame of a set, and which frames each media item shows."""
    out.mkdir(parents=True)
    found = sorted(load_samples(samples), key=_path)
    groups = [list(group) for _, group in groupby(found, _path)]
    lines = []
    work = partial(_render_video, videos_root(samples), out)
    for shown in runner("local").map(work, groups):
        if isinstance(shown, Failed):
            raise UsageError(f"not rendered: {shown.reason}")
        lines += [json.dumps(line) for line in shown]
    (out / "frames.jsonl").write_text("\n".join(lines) + "\n")


def _path(sample: Sample) -> str:
    path: str = sample.provenance["videos"][0]["path"]
    return path


def _render_video(root: Path, out: Path, samples: Sequence[Sample]) -> list[Json]:
    """The samples of one video: for each, the names of the frames of its media."""
    path = root / _path(samples[0])
    pixels: dict[tuple[tuple[int, int], float], Pixels] = {}
    times: dict[tuple[int, int], set[float]] = {}
    for item in (item for sample in samples for item in sample.media):
        seconds = times.setdefault((item.height, item.width), set())
        seconds.update(frame.source_seconds for frame in item.frames)
    for size, wanted in times.items():
        ordered = sorted(wanted)
        for second, frame in zip(ordered, decode(path, ordered, size), strict=True):
            pixels[size, second] = frame
    shown = []
    for sample in samples:
        media = []
        for item in sample.media:
            size = (item.height, item.width)
            frames = np.stack([pixels[size, frame.source_seconds] for frame in item.frames])
            media.append([_write(out, frame) for frame in apply(frames, item.edits)])
        shown.append({"id": sample.id, "media": media})
    return shown


def _write(out: Path, frame: Pixels) -> str:
    data = frame.tobytes()
    name = f"{blake2b(data, digest_size=16).hexdigest()}.jpg"
    path = out / name[:2] / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(frame).save(path, quality=QUALITY)
    return name


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.rendering")
    parser.add_argument("samples", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    render_all(args.samples, args.out)


if __name__ == "__main__":
    main()
