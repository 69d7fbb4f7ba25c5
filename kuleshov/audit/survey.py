"""One pass over the rows of a set: what is wrong with each, and the little of it that is kept.

A set may be larger than the memory. Its rows are read and looked at some hundred at a time, in any
number of processes; what needs whole samples is given those that it needs, by their places.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, tee
from math import fsum
from pathlib import Path
from typing import NamedTuple

from kuleshov.audit import soundness
from kuleshov.audit.findings import Finding
from kuleshov.dataset import BadRow, Batch, Ids, iterate_batches, load_summary
from kuleshov.faults import Fault
from kuleshov.progress import Progress
from kuleshov.runners import Failed, Runner


@dataclass
class Entry:
    """The sound samples of an entry of the recipe.

    Attributes:
        task: whose they are.
        ids: of the samples, in the order of the set.
        places: likewise, see `dataset.samples_at`.
        chances: likewise, `Sample.chance`.
    """

    task: str
    ids: list[str] = field(default_factory=list)
    places: array[int] = field(default_factory=lambda: array("Q"))
    chances: array[float] = field(default_factory=lambda: array("d"))

    @property
    def chance(self) -> float:
        return fsum(self.chances) / len(self.chances)

    def by_id(self) -> list[int]:
        """The places, by id: which is a hash, so that any first ones are a fair sample."""
        return [place for _, place in sorted(zip(self.ids, self.places, strict=True))]

    def some(self, most: int) -> list[int]:
        """The places of all, or of `most` at most, evenly many by id; in the order of the set."""
        step = max(1, -(-len(self.ids) // most))
        return sorted(self.by_id()[::step])


@dataclass
class Survey:
    """What a pass over all rows finds.

    Attributes:
        faults: of rows that are no samples, and of files.
        unsound: samples that do not hold together.
        entries: by name.
        uses: side, id and path of every video of every sample, each once.
    """

    faults: list[Finding] = field(default_factory=list)
    unsound: list[Finding] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    uses: dict[tuple[str, str, str], None] = field(default_factory=dict)


class _Row(NamedTuple):
    number: int
    id: str | None
    faults: tuple[Fault, ...]
    found: Sequence[Finding] = ()
    entry: str = ""
    task: str = ""
    chance: float = 0.0
    uses: Sequence[tuple[str, str, str]] = ()


def survey(out: Path, runner: Runner, progress: Progress) -> Survey:
    """Look at every row.

    Args:
        out: the set.
        runner: where the rows are looked at.
        progress: told of every row.

    Raises:
        UsageError: there is no finished set in the folder.
    """
    total = load_summary(out)["samples"]
    whole, ids, start = Survey(), Ids(), 0
    batches, given = tee(iterate_batches(out))
    work = runner.map(_rows, (batch for batch in given if isinstance(batch, Batch)))
    with closing(work) as results:
        for batch in batches:
            if isinstance(batch, BadRow):
                whole.faults.append(Finding("wrong", "", batch.why, batch.where))
                continue
            rows = next(results)
            if isinstance(rows, Failed):
                text = f"rows to {batch.numbers[-1]} could not be looked at: {rows.reason}"
                where = f"{batch.file}, row {batch.numbers[0]}"
                whole.faults.append(Finding("wrong", "", text, where))
                rows = []
            for row in rows:
                again = () if row.id is None else ids.again(row.id, batch.file, row.number)
                _add(whole, batch, row, again, start + row.number - batch.numbers[0])
            start += len(batch.numbers)
            progress("reading samples", start, max(total, start))
    return whole


def _rows(batch: Batch) -> list[_Row]:
    return list(_looked_at(batch))


def _looked_at(batch: Batch) -> Iterator[_Row]:
    for number, sample, faults in batch.checked():
        if sample is None or faults:
            yield _Row(number, None if sample is None else sample.id, faults)
            continue
        yield _Row(
            number,
            sample.id,
            (),
            soundness.of_sample(sample),
            sample.entry,
            sample.task,
            sample.chance,
            [(sample.split, video["id"], video["path"]) for video in sample.videos],
        )


def _add(whole: Survey, batch: Batch, row: _Row, again: tuple[Fault, ...], place: int) -> None:
    if row.id is None or again or row.faults:
        bad = BadRow(batch.file, row.number, tuple(chain(again, row.faults)))
        whole.faults.append(Finding("wrong", "", bad.why, bad.where))
        return
    whole.uses.update(dict.fromkeys(row.uses))
    whole.unsound.extend(row.found)
    if not row.found:
        entry = whole.entries.setdefault(row.entry, Entry(row.task))
        entry.ids.append(row.id)
        entry.places.append(place)
        entry.chances.append(row.chance)
