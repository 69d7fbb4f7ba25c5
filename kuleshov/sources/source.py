"""What a source of videos is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kuleshov.locations import Location, location
from kuleshov.progress import Progress
from kuleshov.sample import Skip


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Args:
        address: the folder, glob, list or dataset, here or remote.
        extracted: the folder for videos that do not lie in files of their own.
        column: of paths or videos, in a list or table; None for the first of `COLUMNS`.
        root: the folder that nothing may lead out of; None for what the kind of source takes.
        progress: told of every table that was read.
    """

    address: str
    extracted: Path
    column: str | None = None
    root: str | None = None
    progress: Progress = lambda *_: None

    def root_or(self, default: Location) -> Location:
        return default if self.root is None else location(self.root)


class Found(NamedTuple):
    """What a source holds.

    Args:
        root: the folder that holds the videos.
        paths: of the videos, relative to `root`, with forward slashes, each once.
        skips: what is named in the source and cannot be one of them.
    """

    root: Location
    paths: list[str]
    skips: list[Skip]


class Source(ABC):
    """One kind of place that videos come from.

    Args:
        asked: what was asked for.
    """

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.where = location(asked.address)

    @abstractmethod
    def takes(self) -> bool:
        """Whether what was asked for is of this kind."""

    @abstractmethod
    def find(self) -> Found:
        """The paths of all videos. None of them is opened.

        Raises:
            UsageError: there are none, or the source itself cannot be read.
        """
