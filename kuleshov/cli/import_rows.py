"""`kuleshov import`: published rows to samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuleshov.cli.console import err
from kuleshov.cli.options import Overwrite
from kuleshov.cli.summaries import made
from kuleshov.live import live


def import_rows(
    rows: Annotated[Path, typer.Argument(help="Parquet file, or folder of some: VideoSSR-30K.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")],
    frames: Annotated[str, typer.Option(help="Folder that the paths in the rows start from.")],
    prefix: Annotated[str, typer.Option(help="Start of these paths that is left out.")] = "",
    held_out: Annotated[
        float, typer.Option(help="Share of videos held out; 1 for a benchmark.")
    ] = 0.0,
    workers: Annotated[int | None, typer.Option(help="Processes; change no sample.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a sample set of published rows and frames: VideoSSR-30K, VIUBench.

    Example: kuleshov import viubench/rows -o samples --frames viubench/frames --held-out 1
    """
    from kuleshov.published import PublishedConfig
    from kuleshov.published import import_rows as run

    settings = PublishedConfig(frames=frames, prefix=prefix, held_out=held_out, workers=workers)
    with live(err) as shown:
        summary = run(rows, output, settings, shown.progress, overwrite)
    made(summary, output)
