"""Samples that cannot be shown give way to others, so that one of them does not stop a training.

A stand-in is the next row of the dataset that can be shown: the same one in each process and each
time, so that a group which is spread over processes stays a group, and a run that goes on after a
kill trains on the same samples. Rows are tried when their batch is made, and nothing is decoded
only to be tried.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar, final

from datasets import Dataset

from kuleshov.errors import UnreadableVideoError, UsageError
from kuleshov.left_out import LeftOut, left_out
from kuleshov.sample import Sample

T = TypeVar("T")
Row = dict[str, Any]


class UnshownError(UnreadableVideoError):
    """The video of a sample cannot be shown."""

    def __init__(self, sample: Sample, why: UnreadableVideoError) -> None:
        super().__init__(f"sample {sample.id}: {why}")
        self.sample, self.why = sample, why


@final
class StandIns:
    """Makes batches of rows that can be shown.

    Args:
        rows: all that there are, with `sample` as JSON (`kuleshov.train.grpo.row`).
        out: where it is told what is left out. Each process does, as each has other rows.
    """

    def __init__(self, rows: Dataset, out: LeftOut) -> None:
        self.rows, self.out = rows, out
        self._unshown: set[str] = set()

    def __call__(self, make: Callable[[list[Row]], T], rows: list[Row]) -> T:
        """What `make` gives of these rows, or of others in the place of those that it cannot show.

        Raises:
            UsageError: too many samples cannot be shown.
        """
        while True:
            try:
                return make(rows)
            except UnshownError as error:
                self._leave_out(error)
                rows = [self._shown(row) for row in rows]

    def _leave_out(self, error: UnshownError) -> None:
        sample = error.sample
        self._unshown.add(sample.id)
        # Before a kill, in other phases, and by other processes.
        self.out.samples |= {str(one["sample"]) for one in left_out(self.out.run)}
        self.out.add(str(error.why), sample.id, task=sample.entry, video=sample.video_ids[0])

    def _shown(self, row: Row) -> Row:
        """The row itself, or the next one that is not known to be unshown."""
        if _id(row["sample"]) not in self._unshown:
            return row
        texts = list(self.rows["sample"])
        place = texts.index(row["sample"])
        for other in (*range(place + 1, len(texts)), *range(place)):
            if _id(texts[other]) not in self._unshown:
                return dict(self.rows[other])
        raise UsageError(
            f"no sample that is trained on can be shown; {self.out.run} names each with its reason"
        )


def _id(text: str) -> str:
    return str(json.loads(text)["id"])
