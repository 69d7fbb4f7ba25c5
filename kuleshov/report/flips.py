"""Section: the items themselves, those that became right or wrong first.

NAME_files/
  data.js          what the list and the filters need of all items, see items.py
  details/000.js   the rest, of 100 items each, read when they are looked at
  sheets/*.jpg     contact sheets of the frames that the models saw, see sheets.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from kuleshov.dataset import videos_root
from kuleshov.errors import UsageError
from kuleshov.files import replace_text
from kuleshov.progress import Progress
from kuleshov.report import drawing
from kuleshov.report.compared import Compared
from kuleshov.report.items import CHUNK, FLIPS, OUTCOMES, Item, data, details, items
from kuleshov.report.page import Section, render
from kuleshov.run import environment

SHEETS = 20
"""Items of each row that get a contact sheet: those that come first."""

KEYS = {
    "j or →": "the next item",
    "k or ←": "the one before",
    "n and p": "the next and the last 50",
    "c": "the next kind of change",
    "/": "search",
}
"""Keys of the flip browser, as flips.js has them."""


def flips(
    sets: Sequence[Compared],
    names: Sequence[str],
    folder: Path,
    count: int | None = SHEETS,
    workers: int | None = 0,
    progress: Progress = lambda *_: None,
) -> Section:
    """Write what the browser reads beside the page, and return the section.

    Args:
        sets: what is compared.
        names: of the two models, or of the one.
        folder: to write in, beside the page.
        count: items of each row that get a contact sheet; None for all.
        workers: processes that draw; None for one a core, 0 for none but this one.
        progress: told of every sheet.

    Raises:
        WriteError: the disk is full, or `folder` cannot be written.
    """
    listed = items(sets, names)
    failed = _draw(sets, listed, folder / "sheets", count, workers, progress)
    there = drawing.drawn(folder / "sheets")

    def state(item: Item) -> str:
        sheet = item.sheet
        if not sheet:
            return "nothing"
        return "drawn" if sheet in there else failed.get(sheet, "")

    for number, text in enumerate(details(listed)):
        replace_text(folder / "details" / f"{number:03}.js", text)
    last = (len(listed) - 1) // CHUNK
    for path in (folder / "details").glob("*.js"):
        if path.stem.isdecimal() and int(path.stem) > last:
            path.unlink()
    drawing.remove_others(folder / "sheets", (item.sheet for item in listed))
    about = {
        "folder": f"{quote(folder.name, errors='surrogateescape')}/",
        "few": f"only the first {count} items of each row have one; kuleshov report --sheets all "
        "draws them all",
        "names": list(names),
        "kinds": OUTCOMES if len(names) == 1 else FLIPS,
    }
    replace_text(folder / "data.js", data(listed, about, state))
    title = "Items" if len(names) == 1 else "Flips"
    return Section(title, render("flips.html", folder=about["folder"], keys=KEYS))


def _draw(
    sets: Sequence[Compared],
    listed: Sequence[Item],
    folder: Path,
    count: int | None,
    workers: int | None,
    progress: Progress,
) -> dict[str, str]:
    """Draw the sheets that are wanted and missing; returns why some cannot be drawn."""
    wanted: list[dict[str, str]] = [{} for _ in sets]
    seen: dict[str, int] = {}
    for item in listed:
        seen[item.row] = seen.get(item.row, 0) + 1
        if item.sheet and (count is None or seen[item.row] <= count):
            wanted[item.set][item.sample.id] = item.sheet
    failed: dict[str, str] = {}
    for one, sheets in zip(sets, wanted, strict=True):
        try:
            root = videos_root(environment(one.runs[-1])["data"])
        except UsageError as error:
            failed |= dict.fromkeys(sheets.values(), str(error))
            continue
        failed |= drawing.draw_missing(one.samples, sheets, root, folder, workers, progress)
    return failed
