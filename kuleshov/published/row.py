"""One published row, as the official scripts of VideoSSR write it (`pretext_tasks/*.py`).

The data sets themselves were not looked at, so what is not needed may be missing or look otherwise.

    data_source    "grounding", "counting", or "shuffled" for a jigsaw (the scorer says "jigsaw")
    prompt         [{role, content}, ...], system and user, with a <video> for each video
    videos         [{video: [path, ...], sample_fps, max_pixels, min_pixels}, ...]
    reward_model   {ground_truth}; where it is missing, extra_info.answer
    extra_info     {video_id, ...}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kuleshov.errors import UsageError
from kuleshov.locations import reason
from kuleshov.sample import Json

COUNTING, GROUNDING = "counting", "grounding"
KINDS = {
    "blur": "blur",
    "channelswap": "channel_swap",
    "grayscale": "grayscale",
    "invert": "invert",
    "mirror": "mirror",
    "noise": "noise",
    "rotate90": "rotate90",
    "rotate180": "rotate180",
    "rotate270": "rotate270",
    "saturation": "saturation",
    "zoomin": "zoom_in",
    "zoomout": "zoom_out",
}
"""What the name of a perturbed picture ends with -> our name for the perturbation."""

_COLUMNS = ("data_source", "prompt", "videos", "reward_model", "extra_info")


@dataclass(frozen=True)
class Message:
    role: str
    content: str


@dataclass(frozen=True)
class Clip:
    video: list[str]
    sample_fps: float | None = None
    max_pixels: int | None = None
    min_pixels: int | None = None


@dataclass(frozen=True)
class Row:
    data_source: str
    prompt: list[Message]
    videos: list[Clip]
    reward_model: dict[str, Any] | None = None
    extra_info: dict[str, Any] | None = None

    def answer(self) -> str:
        """The true answer, in the words of the row.

        Raises:
            UsageError: there is none.
        """
        for place, key in ((self.reward_model, "ground_truth"), (self.extra_info, "answer")):
            if place and isinstance(place.get(key), (str, int)):
                return str(place[key]).strip()
        raise UsageError("has no ground_truth in reward_model and no answer in extra_info")

    def is_surely_hard(self) -> bool:
        """Whether it counts to more than 9, which the easy level does not."""
        counts = self.answer().split(",") if self.data_source == COUNTING else []
        return any(len(count.strip().lstrip("0")) > 1 for count in counts)

    def entry(self, hard: bool) -> str:
        """What the sample is called (ours): what is told by the row or the names of its pictures.

        Args:
            hard: whether the counts are of the hard level.
        """
        if self.data_source == COUNTING:
            return "counting_hard" if hard else "counting"
        if self.data_source != GROUNDING:
            return f"jigsaw_{len(self.videos)}"
        stems = [PurePosixPath(path).stem for clip in self.videos for path in clip.video]
        for stem in stems:
            if (kind := KINDS.get(stem.partition("_")[2])) is not None:
                return kind
        order = [int(stem) for stem in stems if stem.isdecimal()]
        moved = order != sorted(order) and len(set(order)) == len(stems)
        return "shuffle" if moved else "anomaly"


_ROW = TypeAdapter(Row)


def parse(value: Json) -> Row:
    """A row from plain values.

    Raises:
        UsageError: something that is needed is missing, or is of the wrong kind.
    """
    try:
        return _ROW.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where}: {first['msg']}") from error


def rows_of(file: Path) -> Iterator[Json]:
    """The rows of a Parquet file as plain values, few in memory at a time.

    Raises:
        UsageError: it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            columns = [name for name in _COLUMNS if name in table.schema_arrow.names]
            for batch in table.iter_batches(64, columns=columns):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        said = reason(error) if isinstance(error, OSError) else error
        raise UsageError(
            f"{file} cannot be read as a table: {said}; fetch it again or leave it out"
        ) from error
