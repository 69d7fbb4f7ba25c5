"""What a file format for rendered samples is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from kuleshov.sample import Pixels, Sample


class Row(NamedTuple):
    """A sample whose pixels are encoded: for each media item the keys of its pieces, in order."""

    sample: Sample
    keys: list[list[str]]


class Shown(NamedTuple):
    """A sample as it was read back, with one entry of `frames` and `seconds` for each media item.

    `frames` are uint8 arrays of shape (frames, height, width, 3), `seconds` when each is shown.
    """

    sample: Sample
    frames: list[Pixels]
    seconds: list[list[float]]


class Format(ABC):
    """A file format. Its pieces (a frame, or a whole video) are named by their content.

    The same pixels and times at the same quality give the same pieces and files, with the same
    versions of the libraries.
    """

    suffix: ClassVar[str]
    rows: ClassVar[str] = ""
    """Of the files that `datasets` reads as rows; "" if they are those of the shards."""
    """Of the file of a shard that holds the rows."""
    qualities: ClassVar[range]
    """That can be chosen."""
    default_quality: ClassVar[int]
    layout: ClassVar[str]
    """For the README beside the files: what a row's `videos` are, and how to read them."""

    @abstractmethod
    def encode(
        self, frames: Pixels, seconds: list[float], quality: int, pieces: dict[str, bytes]
    ) -> list[str]:
        """One media item as pieces. Every frame is kept equally well, whatever it shows.

        Args:
            frames: the pixels.
            seconds: when each frame is shown.
            quality: of `qualities`.
            pieces: those encoded before, by key; new ones are added.

        Returns:
            The keys of the item's pieces, in order.

        Raises:
            UsageError: this format cannot hold such frames.
        """

    @abstractmethod
    def write(
        self, out: Path, shard: str, rows: Sequence[Row], pieces: dict[str, bytes]
    ) -> list[Path]:
        """Write a shard, its rows last, and return all of its files.

        Raises:
            WriteError: the disk is full, or the folder cannot be written.
        """

    @abstractmethod
    def files(self, out: Path, shard: str) -> list[Path]:
        """The files of a shard that was written."""

    @abstractmethod
    def read(self, out: Path, shard: str) -> Iterator[Shown]:
        """The samples of a shard, in the order in which they were written."""

    @abstractmethod
    def remove(self, out: Path, shard: str) -> None:
        """Delete the files of a shard, as far as they are there."""


def shown_seconds(sample: Sample) -> list[list[float]]:
    """For each media item, the times that the model is told."""
    return [[frame.shown_seconds for frame in item.frames] for item in sample.media]


def sample_of(row: dict[str, Any]) -> Sample:
    """The sample of a row that has `videos` as well."""
    return Sample.from_row({key: value for key, value in row.items() if key != "videos"})
