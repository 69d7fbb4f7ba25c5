"""Work on many items whose results outlive a kill.

    FOLDER/
      key              of what is being done; another one starts over
      PHASE/00000      the results of items 0 to 127, one JSON value a line
      PHASE/00001      ...

A part is written as a whole or not at all, so work that was interrupted goes on at the first part
that is missing, and what it writes in the end is the same as without the interruption. Its first
line says of which items it is and what it was when it was written (`manifest.sealed`): a part that
was harmed since is worked on again, and so are those that come of it where it turns out another.
Parts of before there was that line are taken if they have as many results as items.
"""

from __future__ import annotations

import json
import logging
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import TypeVar, overload

from kuleshov.files import replace_text
from kuleshov.manifest import is_seal, sealed, unsealed
from kuleshov.owned import remove
from kuleshov.progress import Progress
from kuleshov.randomness import digest
from kuleshov.runners import Failed, Runner
from kuleshov.sample import Json, dump_json

T = TypeVar("T")

PART = 128
"""Items in a part: at most so many are worked on again after a kill."""


class Lines(Sequence[Json]):
    """JSON values of a file, one a line, of which only the places are in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as lines:
            self._ends = array("Q", accumulate(map(len, lines)))

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Json]:
        with self.path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    @overload
    def __getitem__(self, index: int) -> Json: ...
    @overload
    def __getitem__(self, index: slice) -> list[Json]: ...
    def __getitem__(self, index: int | slice) -> Json | list[Json]:
        places = range(len(self))[index]
        if isinstance(places, int):
            return self._read([places])[0]
        return self._read(places)

    def _read(self, places: Iterable[int]) -> list[Json]:
        with self.path.open("rb") as lines:
            values = []
            for place in places:
                lines.seek(self._ends[place - 1] if place else 0)
                values.append(json.loads(lines.readline()))
            return values


class Journal:
    """Results on disk, in parts.

    Args:
        folder: where they are kept.
        key: everything that decides the results; a folder with another key is emptied.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        written = folder / "key"
        if not written.is_file() or written.read_bytes() != key.encode():
            self.remove()
            replace_text(written, key)

    def run(
        self,
        phase: str,
        function: Callable[[T], Json],
        items: Sequence[T],
        failed: Callable[[T, Failed], Json],
        runner: Runner,
        progress: Progress,
        what: str,
        known: Callable[[T], Json | None] = lambda _: None,
        given: str = "",
    ) -> None:
        """Do what is not done yet, and what is no longer as it was written.

        Args:
            phase: name of the results.
            function: from an item to its result, as JSON.
            items: all of them, as JSON; a part is done again where they have become others.
            failed: the result of an item that could not be worked on.
            runner: where the work runs.
            progress: told of every item.
            what: what it is told.
            known: the result of an item where it is there already, else None.
            given: what else the results depend on.
        """
        missing = self._missing(phase, items, given)
        done = len(items) - sum(len(items[start : start + PART]) for start in missing)
        progress(what, done, len(items))
        wanted = (
            item for start in missing for item in items[start : start + PART] if known(item) is None
        )
        with closing(runner.map(function, wanted)) as results:
            for start in missing:
                lines: list[str] = []
                here = items[start : start + PART]
                for item in here:
                    there = known(item)
                    result = next(results) if there is None else there
                    done += 1
                    progress(what, done, len(items))
                    value = failed(item, result) if isinstance(result, Failed) else result
                    lines.append(f"{dump_json(value)}\n")
                text = sealed("".join(lines), **_facts(phase, start, here, given))
                replace_text(self._part(phase, start), text)

    def _missing(self, phase: str, items: Sequence[T], given: str) -> list[int]:
        """Where the parts begin that are to be done."""
        starts = range(0, len(items), PART)
        expected = {self._part(phase, start): start for start in starts}
        for path in (self.folder / phase).glob("[0-9]*"):
            if path not in expected:
                path.unlink()  # of more items
        missing: list[int] = []
        harmed: list[str] = []
        unsealed_ones = 0
        for path, start in expected.items():
            here = items[start : start + PART] if path.is_file() else ()
            try:
                text, was_sealed = unsealed(path, **_facts(phase, start, here, given))
                if not was_sealed:
                    _read_all(text, len(here))
                    unsealed_ones += 1
            except FileNotFoundError:
                missing.append(start)
            except (OSError, ValueError) as error:
                missing.append(start)
                harmed.append(f"{path} {error}")
        log = logging.getLogger(__name__)
        if harmed:
            log.warning("%s; %d such parts are worked on again", harmed[0], len(harmed))
        if unsealed_ones:
            log.warning(
                "%d parts in %s are of a version that did not write down what they were; they are "
                "taken as they are",
                *(unsealed_ones, self.folder / phase),
            )
        return missing

    def results(self, phase: str) -> Iterator[Json]:
        """All results of a phase, in the order of its items, one at a time in memory."""
        for path in sorted((self.folder / phase).glob("[0-9]*")):
            with path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines):
                    if number or not is_seal(line):
                        yield json.loads(line)

    def remove(self) -> None:
        """Forget everything: the work is done, or starts over."""
        remove(self.folder, "*", "*/*")

    def _part(self, phase: str, start: int) -> Path:
        return self.folder / phase / f"{start // PART:08}"


def _facts(phase: str, start: int, items: Iterable[Json], given: str) -> dict[str, Json]:
    """What a part is of."""
    listed = list(items)
    of = f"{digest(dump_json([given, listed])):032x}"
    return {"phase": phase, "part": start // PART, "count": len(listed), "of": of}


def _read_all(text: str, count: int) -> None:
    """Raises:
    ValueError: they are not so many results.
    """
    lines = text.splitlines()
    if len(lines) != count:
        raise ValueError(f"has {len(lines)} results in the place of {count}")
    for line in lines:
        try:
            json.loads(line)
        except (ValueError, RecursionError):
            raise ValueError("is no longer JSON in each line") from None
