"""Clips in which next to nothing happens but for a moment, with questions about that moment.

    second   0     1     2     3     4     5     6     7
             a square on a dim ground, swaying ...  event  ...

A flash floods the picture with a colour, a bump makes the whole picture jump, a visit is a disc
that is in a corner and gone again. An event lasts 0.6 s, in one second of eight, and exactly one
of the eight frames that a model is shown has it. The design is ours; VideoPerceiver (arXiv
2511.18823, section 3.4) calls a change of at most a second transient.

Three questions of each clip, as `labelled` ones with fixed options:

    what     which kind of event?         A to C    needs the event
    detail   its colour, way or corner    A to D    needs the event
    quiet    the colour of the square     A to D    a control: any frame tells

Answers are balanced by construction, see `scene`: of each whole multiple of `PERIOD` clips all
combinations are there equally often, so that chance and the prior of language are 1/3, 1/4, 1/4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from kuleshov import dataset
from kuleshov.errors import WriteError
from kuleshov.frames import write_video
from kuleshov.pairs import KEY_FRAMES
from kuleshov.randomness import digest, rng_for
from kuleshov.read import read_video
from kuleshov.sample import Pixels, Sample, Skip, Video
from kuleshov.tasks.labelled import Labelled

SIZE = 56
FPS = 5
NUM_FRAMES = 8
"""Shown to a model, one of each second: the frame on screen in its middle."""
COLORS = {"red": (255, 60, 60), "green": (60, 220, 60), "blue": (80, 80, 255), "white": (255,) * 3}
_JUMP = 14
_WAYS = {"left": (0, -_JUMP), "right": (0, _JUMP), "up": (-_JUMP, 0), "down": (_JUMP, 0)}
_CORNERS = {
    "top left": (10, 10),
    "top right": (SIZE - 10, 10),
    "bottom left": (10, SIZE - 10),
    "bottom right": (SIZE - 10, SIZE - 10),
}


def _flash(picture: Image.Image, detail: str) -> Image.Image:
    return Image.blend(picture, Image.new("RGB", picture.size, COLORS[detail]), 0.6)


def _bump(picture: Image.Image, detail: str) -> Image.Image:
    return Image.fromarray(np.roll(np.asarray(picture), _WAYS[detail], axis=(0, 1)))


def _visit(picture: Image.Image, detail: str) -> Image.Image:
    visited, (x, y) = picture.copy(), _CORNERS[detail]
    ImageDraw.Draw(visited).ellipse([x - 8, y - 8, x + 8, y + 8], fill=(255, 220, 60))
    return visited


class Kind(NamedTuple):
    """A kind of event: how a picture shows it, and the question about it with its answers."""

    show: Callable[[Image.Image, str], Image.Image]
    question: str
    details: tuple[str, ...]


KINDS = {
    "flash": Kind(_flash, "In which colour does the picture flash?", tuple(COLORS)),
    "bump": Kind(_bump, "Which way does the picture jump?", tuple(_WAYS)),
    "visit": Kind(_visit, "In which corner is the visitor?", tuple(_CORNERS)),
}
PERIOD = len(KINDS) * 4 * len(COLORS)
"""Clips in which each combination of kind, detail and colour is there once."""
EVENT = ("what", "detail")
"""The entries (`Sample.entry`) of the questions about the event; the other one is "quiet"."""


class Scene(NamedTuple):
    """What a clip shows: the event, in which second, and the colour of the square."""

    kind: str
    detail: str
    second: int
    color: str


def scene(seed: int, index: int) -> Scene:
    """The scene of a clip. All but the second follows from the index, which balances answers."""
    block, place = divmod(index % PERIOD, len(KINDS) * 4)
    kind = list(KINDS)[place % len(KINDS)]
    detail = place // len(KINDS)
    # Never the first second: a key frame is to have one before it, which takes its place.
    second = int(rng_for("transient", seed, index, "second").integers(1, NUM_FRAMES))
    return Scene(kind, KINDS[kind].details[detail], second, list(COLORS)[(detail + block) % 4])


def clip(seed: int, index: int) -> Pixels:
    """One clip: uint8 array of shape (NUM_FRAMES * FPS, SIZE, SIZE, 3)."""
    shown, look = scene(seed, index), rng_for("transient", seed, index, "look")
    coarse = look.uniform(10, 80, size=(4, 4, 3)).astype(np.uint8)
    ground = Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    x, y = look.integers(23, 34, size=2).tolist()
    half, phase = int(look.integers(5, 8)), look.uniform(0, 2 * np.pi)
    frames = []
    for i in range(NUM_FRAMES * FPS):
        picture, sway = ground.copy(), round(1.5 * np.sin(phase + i / FPS))
        box = [x + sway - half, y - half, x + sway + half, y + half]
        ImageDraw.Draw(picture).rectangle(box, fill=COLORS[shown.color])
        second, part = divmod(i, FPS)
        if second == shown.second and 0 < part < FPS - 1:
            picture = KINDS[shown.kind].show(picture, shown.detail)
        frames.append(np.asarray(picture))
    return np.stack(frames)


def questions(video: Video, shown: Scene) -> Iterator[tuple[str, Sample | Skip]]:
    """Each entry with its question about a clip."""
    kind = KINDS[shown.kind]
    asked = {
        "what": ("What happens for a moment?", tuple(KINDS), shown.kind),
        "detail": (kind.question, kind.details, shown.detail),
        "quiet": ("Which colour is the square?", tuple(COLORS), shown.color),
    }
    for entry, (question, options, answer) in asked.items():
        task = Labelled(
            options=options,
            num_frames=NUM_FRAMES,
            min_pixels=SIZE**2,
            max_pixels=SIZE**2,
            size_multiple=28,
        )
        yield entry, task.ask(video, question, ascii_uppercase[options.index(answer)])


def write_set(out: Path, train: int, held_out: int, seed: int) -> dict[str, Any]:
    """Write clips into `out`/clips and their questions as a set of samples; returns its summary.

    Args:
        out: the folder, laid out as one that `kuleshov make` wrote.
        train: clips to train with; a multiple of `PERIOD` for balanced answers.
        held_out: further clips to test with, likewise.
        seed: of the clips.
    """
    clips = out / "clips"
    clips.mkdir(parents=True, exist_ok=True)
    samples: list[Sample | Skip] = []
    for index in range(train + held_out):
        path = clips / f"{index:04}.mp4"
        if not path.exists():
            write_video(path, clip(seed, index), FPS)
        video, shown = read_video(clips, path.name), scene(seed, index)
        if isinstance(video, Skip):
            raise WriteError(f"{path} {video.reason}; remove it and start again")
        for entry, asked in questions(video, shown):
            if isinstance(asked, Sample):
                asked = replace(
                    asked,
                    id=f"{digest('transient', seed, index, entry):032x}"[:16],
                    split="train" if index < train else "held_out",
                    seed=seed,
                    provenance={
                        **asked.provenance,
                        "entry": entry,
                        KEY_FRAMES: [[0, shown.second]],
                    },
                )
            samples.append(asked)
    return dataset.write(out, samples, {"videos": dataset.root_in(out, clips)})
