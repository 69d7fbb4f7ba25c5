"""The contact sheets of a page that are not there yet, see sheets.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import tee
from pathlib import Path

from kuleshov.errors import KuleshovError
from kuleshov.files import replacing
from kuleshov.locations import Location
from kuleshov.media import render_all, without_edits
from kuleshov.progress import Progress
from kuleshov.report import entries, sheets
from kuleshov.runners import Failed, Limits, runner
from kuleshov.sample import Sample


def draw_missing(
    samples: Iterable[Sample],
    wanted: Mapping[str, str],
    root: Location,
    folder: Path,
    workers: int | None,
    progress: Progress,
) -> dict[str, str]:
    """Draw the sheets that are not there; returns the reasons of those that cannot be drawn.

    Args:
        samples: of which some are to have sheets.
        wanted: the name of the sheets of each of these, by its id.
        root: the folder of videos.
        folder: where sheets lie.
        workers: processes, which change no byte; None for one a core, 0 for none but this one.
        progress: told of every sheet.
    """
    there = drawn(folder)
    # Samples that show the same share a sheet. Two processes must not write it at once.
    first = {sheet: id for id, sheet in reversed(list(wanted.items())) if sheet not in there}
    missing = {id: sheet for sheet, id in first.items()}
    failed: dict[str, str] = {}
    if not missing:
        return failed
    progress("drawing sheets", 0, len(missing))
    draw = partial(_draw, root=root, folder=folder)
    work, names = tee(_work(samples, missing))
    with (
        runner("local", workers, Limits()) as run,
        closing(run.map(draw, work)) as results,
    ):
        for done, ((_, name), result) in enumerate(zip(names, results, strict=True), 1):
            if result is not None:
                failed[name] = result.reason
            progress("drawing sheets", done, len(missing))
    return failed


def drawn(folder: Path) -> set[str]:
    """Names of the sheets that are drawn."""
    return {path.stem.removesuffix("-0") for path in folder.glob("*-0.jpg")}


def remove_others(folder: Path, names: Iterable[str]) -> None:
    """Remove the sheets of a set that was here before."""
    kept = set(names)
    for path in folder.glob("*-[01].jpg"):
        if path.stem[:-2] not in kept:
            path.unlink()


def _work(samples: Iterable[Sample], missing: Mapping[str, str]) -> Iterator[tuple[Sample, str]]:
    return ((s, missing[s.id]) for s in samples if s.id in missing)


def _draw(work: tuple[Sample, str], root: Location, folder: Path) -> Failed | None:
    """Both sheets of a sample, or why there are none."""
    sample, name = work
    bare = without_edits(sample)
    try:
        shown, plain = render_all([sample, bare], root)
    except KuleshovError as error:
        return Failed(str(error))
    marks, labels = entries.marks_of(sample), sheets.labels(sample)
    in_video = sheets.as_in_video(sample)
    # The first one last: where it is, both are.
    if in_video is not None:
        _write(folder / f"{name}-1.jpg", sheets.drawn(in_video, plain, labels, marks))
    _write(folder / f"{name}-0.jpg", sheets.drawn(sheets.as_shown(sample), shown, labels, marks))
    return None


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)
