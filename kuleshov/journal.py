"""Work on many items whose results outlive a kill.

    FOLDER/
      key              of what is being done; another one starts over
      PHASE/00000      the results of items 0 to 255, one JSON value a line
      PHASE/00001      ...

A part is written as a whole or not at all, so work that was interrupted goes on at the first part
that is missing, and what it writes in the end is the same as without the interruption.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from kuleshov.files import replace_text
from kuleshov.progress import Progress
from kuleshov.runners import Failed, Runner
from kuleshov.sample import Json, dump_json

T = TypeVar("T")

PART = 256
"""Items in a part: at most so many are worked on again after a kill."""


class Journal:
    """Results on disk, in parts.

    Args:
        folder: where they are kept.
        key: everything that decides the results; a folder with another key is emptied.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        written = folder / "key"
        if not written.is_file() or written.read_text(encoding="utf-8") != key:
            shutil.rmtree(folder, ignore_errors=True)
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
    ) -> None:
        """Do what is not done yet.

        Args:
            phase: name of the results.
            function: from an item to its result, as JSON.
            items: all of them, the same ones in the same order on each run.
            failed: the result of an item that could not be worked on.
            runner: where the work runs.
            progress: told of every item.
            what: what it is told.
        """
        starts = range(0, len(items), PART)
        missing = [start for start in starts if not self._part(phase, start).is_file()]
        done = len(items) - sum(len(items[start : start + PART]) for start in missing)
        progress(what, done, len(items))
        wanted = (item for start in missing for item in items[start : start + PART])
        with closing(runner.map(function, wanted)) as results:
            for start in missing:
                lines: list[str] = []
                for item in items[start : start + PART]:
                    result = next(results)
                    done += 1
                    progress(what, done, len(items))
                    value = failed(item, result) if isinstance(result, Failed) else result
                    lines.append(f"{dump_json(value)}\n")
                replace_text(self._part(phase, start), "".join(lines))

    def results(self, phase: str) -> Iterator[Json]:
        """All results of a phase, in the order of its items, a part at a time in memory."""
        for path in sorted((self.folder / phase).glob("[0-9]*")):
            for line in path.read_text(encoding="utf-8").splitlines():
                yield json.loads(line)

    def remove(self) -> None:
        """Forget everything: the work is done, or starts over."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _part(self, phase: str, start: int) -> Path:
        return self.folder / phase / f"{start // PART:08}"
