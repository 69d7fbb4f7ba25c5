"""What an adapter of a published benchmark is: its files as items, and what it reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy.typing as npt

from kuleshov.errors import UsageError
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
        self._by_stem: dict[str, list[str]] = {}
        for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES):
            self._by_stem.setdefault(path.stem, []).append(path.relative_to(root).as_posix())

    def at(self, *paths: str, stem: str = "", near: str = "") -> str:
        """Where a video is: at the first of some paths, or else in any folder by its name.

        One that is nowhere comes back as it was asked for, to be listed as missing.

        Args:
            paths: below the root.
            stem: its name without the ending, if it may be in any folder.
            near: of several of this name, a part of the path of the right one.

        Raises:
            UsageError: several have this name.
        """
        for path in paths:
            try:
                if (self.root / path).exists():
                    return path
            except (OSError, ValueError):  # no name of a file
                continue
        found = self._by_stem.get(stem, []) if stem else []
        if len(found) > 1 and near:
            found = [path for path in found if near in path] or found
        if len(found) > 1:
            raise UsageError(
                f"{self.root} has {len(found)} videos called {stem}: {', '.join(found[:3])}; keep "
                "the one of the benchmark"
            )
        return (*found, *paths, f"{stem}.mp4")[0]


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
