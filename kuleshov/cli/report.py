"""`kuleshov report`: a page of evaluations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuleshov.cli.console import err, out
from kuleshov.cli.options import Videos, sheet_count
from kuleshov.live import live


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Run folders: the base model's evaluation, the training, the trained model's "
            "evaluation, with several seeds each of them; for each sample set. Or a lone one.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="PAGE", help="A folder, or a page: x.html."),
    ] = Path("report"),
    sheets: Annotated[
        str, typer.Option(help="Contact sheets: N items of each task, or all.")
    ] = "20",
    fail_on_regress: Annotated[
        bool, typer.Option(help="Exit with 1 if a task, or the mean of a set, has become worse.")
    ] = False,
    videos: Videos = None,
) -> None:
    """Write a page on one evaluated model, or on two with the training between them.

    Example: kuleshov report runs/base-eval runs/first runs/first-eval -o report.html
    """
    from kuleshov.report.build import build, page_of
    from kuleshov.report.results import lines, regressed

    with live(err) as shown:
        sets = build(
            runs, output, sheets=sheet_count(sheets), workers=None, progress=shown.progress
        )
    out.print(str(page_of(output)), soft_wrap=True)
    if fail_on_regress:
        for line in lines(sets):
            if line.interval is None:
                err.print(
                    f"{line.name}: not known whether it has become worse: {line.row.videos} "
                    "videos are too few for an interval",
                    markup=False,
                    soft_wrap=True,
                )
        for line in (worse := regressed(sets)):
            err.print(
                f"{line.name} has become worse: {line.row.difference:+.3f}, 95 % interval "
                f"{line.interval_text()}",
                markup=False,
                soft_wrap=True,
            )
        if worse:
            raise typer.Exit(1)
