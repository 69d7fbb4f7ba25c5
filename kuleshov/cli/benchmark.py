"""`kuleshov benchmark`: a published benchmark to samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuleshov.cli.console import err
from kuleshov.cli.options import Overwrite
from kuleshov.cli.summaries import made
from kuleshov.live import live


def benchmark(
    name: Annotated[str, typer.Argument(help="mvbench, video_mme, charades_sta, ...")],
    folder: Annotated[Path, typer.Argument(help="Where it lies, in its published layout.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")],
    videos: Annotated[str | None, typer.Option(help="Folder of its videos, if not FOLDER.")] = None,
    options: Annotated[
        str, typer.Option(help="Order of options: published, shuffled or circular.")
    ] = "published",
    reading: Annotated[
        str, typer.Option(help="How choices are read: ours, published (by its own code), exact.")
    ] = "ours",
    num_frames: Annotated[int, typer.Option(help="Frames shown of each video.")] = 32,
    max_pixels: Annotated[int, typer.Option(help="Largest area of a frame.")] = 512 * 512,
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Leave out questions whose videos are missing.")
    ] = False,
    judged: Annotated[
        bool, typer.Option("--judged", help="Free text is graded by eval.judge of a recipe.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Processes; change no sample.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a sample set of a published benchmark that lies in a local folder.

    Example: kuleshov benchmark mvbench MVBench -o samples
    """
    from kuleshov.evaluate.adapters.config import BenchmarkConfig
    from kuleshov.evaluate.adapters.importing import import_benchmark

    settings = BenchmarkConfig(
        videos=videos,
        options=options,
        reading=reading,  # type: ignore[arg-type]  # any name; the settings refuse unknown ones
        num_frames=num_frames,
        max_pixels=max_pixels,
        go_on=go_on,
        judged=judged,
        workers=workers,
    )
    with live(err) as shown:
        summary = import_benchmark(name, folder, output, settings, shown.progress, overwrite)
    if summary["missing"]:
        count = len(summary["missing"])
        err.print(f"{count} videos are missing: this is not the whole benchmark", soft_wrap=True)
    made(summary, output)
