"""The values that flow from stage to stage: Video, Skip, Sample, Reward.

A `Sample` is one question. Its media are a *recipe* and store no pixels: which frame of which
video at which time, what time the model is told, and which edits are applied. `kuleshov.render`
turns a recipe into pixels, always into the same ones.

    MediaItem                      one <video> or <image> of the prompt
      frames: (Frame, Frame, ...)  where each frame comes from, and the time the model is told
      height, width                pixels, after rotation
      edits: ({...}, {...})        applied in order, see edits.py
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from kuleshov.locations import location

Pixels = npt.NDArray[np.uint8]
"""Frames as uint8 RGB of shape (frames, height, width, 3)."""

Json = Any
"""A value that `json` can write and read back unchanged: no tuples, no NaN."""

VIDEO, IMAGE = "<video>", "<image>"
"""What stands in a prompt for a media item; an image is an item of exactly one frame."""

RESERVED = re.compile(rf"{VIDEO}|{IMAGE}|<\|[^\s|<>]{{1,64}}\|>|<IMG_CONTEXT>")
"""What text may not hold: a placeholder of ours, or what processors and chat templates of models
put in its place (`<|image_pad|>`) or end turns with (`<|im_end|>`)."""

Form = Literal["tagged", "direct"]
Split = Literal["train", "held_out"]


def dump_json(value: Json) -> str:
    """Canonical JSON: sorted keys, no spaces, so that equal values are equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class Video:
    """A video that can be decoded.

    Args:
        id: hash of the content (size and the first, middle and last MiB), 32 hex digits. Two
            files with the same content have the same id, whatever they are called.
        path: where it lies, relative to `root`, with forward slashes.
        root: the folder that was read, or its address.
        start: presentation time of the first frame, in seconds. Not always 0.
        end: presentation time at which the last frame disappears, in seconds.
        num_frames: frames in the file, which may be fewer than the header claims. Damage that
            only a decoder sees is not known here; what is on screen then is the frame before.
        width: display width in pixels, after rotation and with square pixels.
        height: display height in pixels, likewise.
        codec: the decoder's name, such as "h264".
        caveats: what of it is not as it is meant: "hdr" (not tone-mapped), "interlaced" (not
            deinterlaced), "timeless" (the file holds no times; frames are counted at the frame
            rate that the stream tells, or FFmpeg's 25 a second).
    """

    id: str
    path: str
    root: str
    start: float
    end: float
    num_frames: int
    width: int
    height: int
    codec: str
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "caveats", tuple(self.caveats))  # a list, where it was JSON

    @property
    def origin(self) -> dict[str, Json]:
        """How a sample's provenance names it; caveats only where there are any."""
        named: dict[str, Json] = {"id": self.id, "path": self.path}
        return named | ({"caveats": list(self.caveats)} if self.caveats else {})

    @property
    def duration(self) -> float:
        """Seconds from the first frame's appearance to the last one's disappearance."""
        return self.end - self.start

    def frames(self, seconds: list[float], size: tuple[int, int]) -> Pixels:
        """The frames on screen at the given presentation times, in the given order.

        Args:
            seconds: times in [start, end); they may repeat and need not be sorted.
            size: (height, width) to scale to, in the decoder's scaler.

        Returns:
            uint8 array of shape (len(seconds), height, width, 3).

        Raises:
            UnreadableVideoError: a time lies outside of the video, or the file has changed.
        """
        from kuleshov.frames import decode  # only frames imports the decoder

        return decode(location(self.root) / self.path, seconds, size)


@dataclass(frozen=True)
class Skip:
    """A video, or a (video, entry of a recipe), that gave no sample, with the reason."""

    path: str
    reason: str
    task: str | None = None


class Frame(NamedTuple):
    """One frame of a recipe: what is on screen of `video_id` at `source_seconds`.

    `shown_seconds` is the time that the model is told.
    """

    video_id: str
    source_seconds: float
    shown_seconds: float


@dataclass(frozen=True)
class MediaItem:
    """One `<video>` or `<image>` of a prompt, as a recipe.

    An image has one frame. A video has an even number of frames, since models merge them in
    pairs; its prompt says which of the two an item is.
    """

    frames: tuple[Frame, ...]
    height: int
    width: int
    edits: tuple[dict[str, Json], ...] = ()

    def edited(self, *edits: dict[str, Json]) -> MediaItem:
        """The same item with more edits after those it has."""
        return dataclasses.replace(self, edits=(*self.edits, *edits))


@dataclass(frozen=True)
class Sample:
    """One question with its media recipe and its answer.

    Args:
        id: 16 hex digits, from the task, its knobs, the video, the seed and the index.
        task: name in `kuleshov.tasks.TASKS`.
        video_ids: the videos that the media come from; the first one decides the split.
        split: "train" or "held_out".
        media: one item per `<video>` or `<image>` in the prompt, in order.
        prompt: the text, with one `<video>` for each media item, or `<image>` for one of a
            single frame.
        answer: the true answer, as JSON; `task.write` turns it into text.
        form: how the answer is to be given, see reward.py.
        knobs: all settings of the task, enough to build it again.
        seed: the seed of the run that made it.
        chance: mean reward of an answer drawn from the task's own prior for this sample.
        provenance: the videos (see `Video.origin`), the setting's name, versions.
    """

    id: str
    task: str
    video_ids: tuple[str, ...]
    split: Split
    media: tuple[MediaItem, ...]
    prompt: str
    answer: Json
    form: Form
    knobs: dict[str, Json]
    seed: int
    chance: float
    provenance: dict[str, Json] = field(default_factory=dict)

    @property
    def placeholders(self) -> list[str]:
        """The `<video>` and `<image>` of the prompt, in order: one for each media item."""
        return re.findall(f"{VIDEO}|{IMAGE}", self.prompt)

    @property
    def entry(self) -> str:
        """What its recipe calls it: its task, or the label where several entries share a task."""
        return str(self.provenance.get("entry", self.task))

    @property
    def source(self) -> str:
        """What its video was cut from, or the first of its video's near-duplicates.

        Samples of one source are not independent of each other.
        """
        first = self.provenance.get("near_duplicate_of", self.video_ids[0])
        return str(self.provenance.get("source", first))

    @property
    def videos(self) -> list[dict[str, Json]]:
        """Id and path of each video that it is of, see `Video.origin`."""
        videos: list[dict[str, Json]] = self.provenance.get("videos", [])
        return videos

    @property
    def path(self) -> str:
        """Of its first video; "" where it names none."""
        return str(self.videos[0]["path"]) if self.videos else ""

    @property
    def made_elsewhere(self) -> bool:
        """Whether its pictures come finished: its recipe does not say what was done to them."""
        return "published" in self.provenance

    def to_row(self) -> dict[str, Any]:
        """The sample as a row of the one Parquet schema that serves all tasks.

        What differs from task to task (`answer`, `knobs`, `edits`, `provenance`) is a JSON
        string, so that no struct key is ever filled with nulls.
        """
        row = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        row["video_ids"] = list(self.video_ids)
        row["media"] = [
            {
                "frames": [frame._asdict() for frame in item.frames],
                "height": item.height,
                "width": item.width,
                "edits": dump_json(list(item.edits)),
            }
            for item in self.media
        ]
        for key in ("answer", "knobs", "provenance"):
            row[key] = dump_json(row[key])
        return row

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Sample:
        """The inverse of `to_row`."""
        media = tuple(
            MediaItem(
                frames=tuple(Frame(**frame) for frame in item["frames"]),
                height=item["height"],
                width=item["width"],
                edits=tuple(json.loads(item["edits"])),
            )
            for item in row["media"]
        )
        parsed = {key: json.loads(row[key]) for key in ("answer", "knobs", "provenance")}
        return cls(**{**row, **parsed, "media": media, "video_ids": tuple(row["video_ids"])})

    def to_json(self) -> str:
        return dump_json(self.to_row())

    @classmethod
    def from_json(cls, text: str) -> Sample:
        return cls.from_row(json.loads(text))


@dataclass(frozen=True)
class Reward:
    """What a completion earned.

    Args:
        total: in [0, 1]; training uses this.
        parts: named contributions, for people and logs.
        answer: the parsed answer, or None if the completion holds no answer of the task's form.
    """

    total: float
    parts: dict[str, float] = field(default_factory=dict)
    answer: Json = None
