"""`kuleshov render`: the frames of a sample set as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuleshov.cli.console import err, out
from kuleshov.cli.options import Data, Overwrite, Videos
from kuleshov.live import live


def render(
    data: Data,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")],
    format: Annotated[str, typer.Option(help="parquet, tar (frames as JPEG) or mp4.")] = "parquet",
    quality: Annotated[
        int | None,
        typer.Option(help="JPEG quality (default 80); for mp4 the quantizer (default 22)."),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; change no byte.")] = None,
    left_out_share: Annotated[
        float, typer.Option(help="Share of samples that may be skips; above it the command fails.")
    ] = 0.05,
    overwrite: Overwrite = False,
    videos: Videos = None,
) -> None:
    """Write the frames of a sample set into files, for engines that need them.

    Example: kuleshov render samples -o rendered --format mp4
    """
    from kuleshov.left_out import check_share, too_many
    from kuleshov.rendered import RenderConfig, render_set

    check_share(left_out_share, "--left-out-share")
    settings = RenderConfig(format=format, quality=quality, workers=workers)
    with live(err) as shown:
        summary = render_set(data, output, settings, shown.progress, overwrite)
    megabytes = f"{summary['bytes'] / 1e6:.1f} MB"
    out.print(f"{summary['samples']} samples and {summary['skips']} skips in {output}, {megabytes}")
    if not summary["samples"]:
        err.print(f"nothing was rendered; {output / 'skips.jsonl'} says why")
        raise typer.Exit(1)
    total = summary["samples"] + summary["skips"]
    if too_many(summary["skips"], total, left_out_share):
        err.print(
            f"{summary['skips']} of {total} samples are skips, more than --left-out-share "
            f"{left_out_share:g} allows; {output / 'skips.jsonl'} says why. The others are there",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(1)
