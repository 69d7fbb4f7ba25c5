"""A set of samples as a page: a folder that a browser opens without a server.

    FOLDER/
      index.html       the page
      data.js          what its lists and filters need of all samples, see entries.py
      details/000.js   the rest, of 200 samples each, read when they are looked at
      sheets/*.jpg     contact sheets of some samples, see sheets.py

A contact sheet costs the decoding of its frames, so only the first samples of each task, by id,
get one; which ones they are has nothing to do with the videos. A sheet that is there already is
kept, whether it was asked for this time or not.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from kuleshov.dataset import BadRow, iterate_rows, load_skips, load_summary, videos_root
from kuleshov.files import replace_text
from kuleshov.owned import writing
from kuleshov.progress import Progress
from kuleshov.report import drawing, entries
from kuleshov.report.entries import Entry
from kuleshov.report.page import render
from kuleshov.sample import Sample

SHEETS = 20
"""Samples of each task that get a contact sheet."""


class Viewed(NamedTuple):
    """What a page shows: its path, and how many samples, skips and samples with a sheet.

    `faults` are those of samples that are shown and cannot be asked, with file and row.
    """

    page: Path
    samples: int
    skips: int
    sheets: int
    failed: int
    faults: list[str]


def view(
    data: Path,
    folder: Path,
    count: int | None = SHEETS,
    workers: int | None = 0,
    progress: Progress = lambda *_: None,
) -> Viewed:
    """Write the page of a set. Killed and started again, it draws the sheets that are missing.

    Args:
        data: the folder that `kuleshov make` wrote.
        folder: to write the page in.
        count: samples of each task that get a contact sheet; None for all.
        workers: processes, which change no byte; None for one a core, 0 for none but this one.
        progress: told of every sample and sheet.

    Raises:
        UsageError: there is no finished set in `data`, or `folder` holds something else.
        WriteError: the disk is full, or `folder` cannot be written.
    """
    load_summary(data)
    with writing(folder, "view", data):
        return _view(data, folder, count, workers, progress)


def _view(
    data: Path, folder: Path, count: int | None, workers: int | None, progress: Progress
) -> Viewed:
    page = folder / "index.html"
    # Sorted, a page of the list needs few of the files with details.
    faults: list[str] = []
    listed = sorted(_entries(data, faults, progress))
    skips = load_skips(data)
    failed = drawing.draw_missing(
        (_shown(data, row) for row in iterate_rows(data)),
        _wanted(listed, count),
        videos_root(data),
        folder / "sheets",
        workers,
        progress,
    )
    there = drawing.drawn(folder / "sheets")

    def state(entry: Entry) -> str:
        if not entry.sheet:
            return "nothing"
        return "drawn" if entry.sheet in there else failed.get(entry.sheet, "")

    for number, text in enumerate(entries.chunks(listed)):
        replace_text(_details(folder, number), text)
    about = {
        "title": data.resolve().name,
        "folder": "",
        "few": "only the first samples of each task have one. For one of each sample: "
        f"kuleshov view {shlex.quote(str(data))} --sheets all",
    }
    replace_text(folder / "data.js", entries.data(listed, skips, state, about))
    replace_text(page, render("view.html", title=f"Samples in {data.resolve().name}"))
    _remove_others(folder, listed)
    drawn = sum(state(entry) == "drawn" for entry in listed)
    return Viewed(page, len(listed), len(skips), drawn, len(failed), faults)


def _entries(data: Path, faults: list[str], progress: Progress) -> Iterator[Entry]:
    total = load_summary(data)["samples"]
    for done, row in enumerate(iterate_rows(data), 1):
        if isinstance(row, BadRow) and row.sample is not None:
            faults.append(f"{row.where}: {row.why}")
        yield entries.entry(_shown(data, row))
        progress("reading samples", done, total)


def _shown(data: Path, row: Sample | BadRow) -> Sample:
    """What a row says, also where it cannot be asked: a page is where people look for the reason.

    Raises:
        UsageError: it cannot be shown either.
    """
    if isinstance(row, Sample):
        return row
    if row.sample is None:
        raise row.refused(data)
    return row.sample


def _wanted(listed: Sequence[Entry], count: int | None) -> dict[str, str]:
    """The name of the sheet of each sample that is to have one, by its id."""
    wanted: dict[str, str] = {}
    seen: dict[str, int] = {}
    for entry in listed:
        seen[entry.task] = seen.get(entry.task, 0) + 1
        if entry.sheet and (count is None or seen[entry.task] <= count):
            wanted[entry.id] = entry.sheet
    return wanted


def _details(folder: Path, number: int) -> Path:
    return folder / "details" / f"{number:03}.js"


def _remove_others(folder: Path, listed: Sequence[Entry]) -> None:
    """Remove what belongs to a set that was here before."""
    drawing.remove_others(folder / "sheets", (entry.sheet for entry in listed))
    for path in (folder / "details").glob("*.js"):
        if path.stem.isdecimal() and int(path.stem) * entries.CHUNK >= len(listed):
            path.unlink()
