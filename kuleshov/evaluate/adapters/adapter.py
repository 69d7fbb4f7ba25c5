"""What an adapter of a published benchmark is: its files as items, and what it reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy.typing as npt

from kuleshov.evaluate.adapters.item import Item
from kuleshov.evaluate.figures import FIGURES
from kuleshov.evaluate.statistics import Reported
from kuleshov.sample import Sample
from kuleshov.sources.folder import SUFFIXES

Report = Callable[[npt.ArrayLike, Sequence[Sample]], Reported]


class Line(NamedTuple):
    """One figure of a benchmark.

    Args:
        name: what it is of, such as "overall" or "duration: short".
        metric: what is averaged, for people.
        samples: that it is of.
        report: from their scores to the figure; the mean over them if not given.
        score: the named score that is averaged; "" for the reward.
    """

    name: str
    metric: str
    samples: Sequence[Sample]
    report: Report = FIGURES["items"].report
    score: str = ""


class Videos:
    """The videos below a folder, by the names that annotations have for them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._by_stem: dict[str, str] = {}
        for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES):
            self._by_stem.setdefault(path.stem, path.relative_to(root).as_posix())

    def at(self, *paths: str) -> str:
        """The first of some paths that is there; the first one if none is."""
        return next((path for path in paths if (self.root / path).exists()), paths[0])

    def called(self, stem: str) -> str:
        """The path of a video of this name in any folder; the first one by its path.

        One that is not there comes back as `<stem>.mp4`, to be listed as missing.
        """
        return self._by_stem.get(stem, f"{stem}.mp4")


class Adapter(ABC):
    """A benchmark in its published layout.

    Adapters keep a benchmark's questions and wording, so they keep its mistakes too.
    """

    title: ClassVar[str]
    not_computed: ClassVar[Mapping[str, str]] = {}
    """Published metrics that are not computed, and why. They are shown so, never as 0."""

    @abstractmethod
    def items(self, folder: Path, videos: Videos) -> Iterator[Item]:
        """All questions.

        Args:
            folder: with the annotations as published.
            videos: where videos lie.

        Raises:
            UsageError: a file is missing or is not as expected; the message says which.
        """

    @abstractmethod
    def lines(self, samples: Sequence[Sample]) -> Iterable[Line]:
        """What it reports, its headline first."""


def group_of(sample: Sample, name: str) -> str:
    """The value of `Item.groups` that a sample was imported with."""
    return str(sample.provenance["published"]["groups"].get(name, ""))


def by(samples: Sequence[Sample], value: Callable[[Sample], str]) -> dict[str, list[Sample]]:
    """Samples by some value of theirs, sorted by it; those without one are left out."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        if found := value(sample):
            groups.setdefault(found, []).append(sample)
    return dict(sorted(groups.items()))


def by_entry(samples: Sequence[Sample], metric: str = "accuracy") -> Iterator[Line]:
    for entry, here in by(samples, lambda s: s.entry).items():
        yield Line(entry, metric, here)
