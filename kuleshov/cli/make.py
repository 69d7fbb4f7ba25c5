"""`kuleshov make`: videos to samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kuleshov.cli.console import err, out
from kuleshov.cli.options import PUSH, Config, Overwrite, Sets
from kuleshov.cli.summaries import made
from kuleshov.live import live


def make(
    videos: Annotated[
        str,
        typer.Argument(
            help="Folder of videos, read recursively; a glob in quotes; a list of paths (.txt, "
            ".csv, .jsonl, .parquet); a saved Hugging Face dataset; or an address such as "
            "s3://bucket/videos."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")],
    task: Annotated[
        list[str] | None, typer.Option(help="Task to make; repeat for several.")
    ] = None,
    setting: Annotated[str | None, typer.Option(help="default or paper.")] = None,
    per_video: Annotated[int | None, typer.Option(help="Samples per video and task.")] = None,
    held_out: Annotated[float | None, typer.Option(help="Share of videos held out.")] = None,
    config: Config = None,
    share: Annotated[
        float | None, typer.Option(help="Of the recipe's counts: a smaller set of the mixture.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes, one a core if not given; change no sample.")
    ] = None,
    runner: Annotated[str | None, typer.Option(help="local or ray; changes no sample.")] = None,
    root: Annotated[
        str | None, typer.Option(help="Folder that holds all videos; paths in a list start there.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Column of a list or table that names the videos.")
    ] = None,
    retry_skipped: Annotated[
        bool,
        typer.Option(
            help="Of a finished set: work again on videos that were skipped as the work failed."
        ),
    ] = False,
    sets: Sets = None,
    overwrite: Overwrite = False,
    push_to_hub: Annotated[
        str | None, typer.Option(metavar="REPO", help=PUSH.format(what="the set"))
    ] = None,
) -> None:
    """Make pretext-task samples from videos.

    Example: kuleshov make videos -o samples --task jigsaw --per-video 2
    """
    from kuleshov import hub
    from kuleshov.recipe import load
    from kuleshov.synthesize import MakeConfig
    from kuleshov.synthesize import make as run

    changes: dict[str, Any] = {
        "tasks": None if task is None else {name: {} for name in task},
        "setting": setting,
        "per_video": per_video,
        "held_out": held_out,
        "share": share,
        "seed": seed,
        "workers": workers,
        "runner": runner,
        "root": root,
        "column": column,
    }
    settings = load(config, "make", MakeConfig, changes, {"workers": None}, sets or ())
    if push_to_hub is not None:
        hub.check(push_to_hub)
    with live(err) as shown:
        summary = run(videos, output, settings, shown.progress, retry_skipped, overwrite)
    made(summary, output)
    if push_to_hub is not None:
        out.print(hub.push(output, push_to_hub, "dataset"), soft_wrap=True)
