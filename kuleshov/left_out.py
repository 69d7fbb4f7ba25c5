"""Samples that are left out of a training or an evaluation, as one of them must not stop it.

A video whose end does not decode, a file that is gone, a question that an endpoint refuses: such a
sample is left out, counted and named in RUN/left_out.jsonl, one line each with its reason. Where
that happens to more than a share of the samples, something else is wrong, and the work stops.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from kuleshov.errors import UsageError
from kuleshov.files import append_lines, read_lines

FILE = "left_out.jsonl"
FEWEST = 1
"""So many are left out whatever their share, so that one does not stop a small set."""


def check_share(share: float, knob: str) -> None:
    """Raises:
    UsageError: it is no share.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"{knob} is {share}; allowed: 0 to 1")


def too_many(count: int, total: int, share: float) -> bool:
    """Whether more than a share is left out."""
    return count > max(FEWEST, share * total)


@final
class LeftOut:
    """What is left out of one run.

    Args:
        run: the run folder.
        total: of how many samples.
        share: the largest share of them.
        knob: the setting that says it, for the error.
        writes: whether this process is the one that writes.

    Attributes:
        samples: ids of those that are left out; one that is asked several times counts once.
    """

    def __init__(self, run: Path, total: int, share: float, knob: str, writes: bool = True) -> None:
        self.run, self.total, self.share, self.knob = run, total, share, knob
        self.writes = writes
        self.samples: set[str] = set()

    @property
    def count(self) -> int:
        """Samples that are left out."""
        return len(self.samples)

    def add(self, reason: str, sample: str, **named: Any) -> None:
        """Leave one out.

        Args:
            reason: why.
            sample: its id.
            **named: what else it is, such as its condition.

        Raises:
            UsageError: there are too many.
        """
        first = not self.samples
        self.samples.add(sample)
        if self.writes:
            line = {"sample": sample, **named, "reason": reason}
            append_lines(self.run / FILE, json.dumps(line) + "\n")
        if first:
            logging.getLogger(__name__).warning(
                "sample %s is left out: %s (%s names all that are)", sample, reason, FILE
            )
        if too_many(self.count, self.total, self.share):
            raise UsageError(
                f"{self.count} of {self.total} samples cannot be used, more than {self.knob}: "
                f"{self.share:g} allows; {self.run / FILE} says why, of the last one: {reason}"
            )


def left_out(run: Path) -> list[Mapping[str, Any]]:
    """What was left out of a run, each once, with the last reason; [] for nothing."""
    found: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for one in read_lines(run / FILE):
        found[tuple(value for key, value in one.items() if key != "reason")] = one
    return list(found.values())
