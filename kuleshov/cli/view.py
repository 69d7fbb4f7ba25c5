"""`kuleshov view`: a page of samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuleshov.cli.console import err, out
from kuleshov.cli.options import Data, Videos, sheet_count
from kuleshov.live import live


def view(
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Folder to write; OUT/view if not given."
        ),
    ] = None,
    sheets: Annotated[
        str, typer.Option(help="Samples of each task that get a contact sheet: a number, or all.")
    ] = "20",
    workers: Annotated[int | None, typer.Option(help="Processes; change no byte.")] = None,
    videos: Videos = None,
) -> None:
    """Write a page that shows samples as a model sees them, and what was skipped.

    Example: kuleshov view samples --sheets 100
    """
    from kuleshov.report.view import view as run

    with live(err) as shown:
        viewed = run(data, output or data / "view", sheet_count(sheets), workers, shown.progress)
    out.print(f"{viewed.samples} samples, {viewed.sheets} with a sheet, and {viewed.skips} skips")
    for fault in viewed.faults:
        err.print(f"warning: {fault}", markup=False, soft_wrap=True)
    if viewed.failed:
        err.print(f"{viewed.failed} sheets cannot be drawn; the page says why")
    out.print(str(viewed.page), soft_wrap=True)
