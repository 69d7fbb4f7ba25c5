"""`kuleshov report`: a page of evaluations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuleshov.cli.console import err, out
from kuleshov.cli.options import sheet_count
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
        bool, typer.Option(help="Exit with 1 if a task has become worse, its interval below 0.")
    ] = False,
) -> None:
    """Write a page on one evaluated model, or on two with the training between them.

    Example: kuleshov report runs/base-eval runs/first runs/first-eval -o report.html
    """
    from kuleshov.report.build import build, page_of
    from kuleshov.report.compared import regressed

    with live(err) as shown:
        rows = build(
            runs, output, sheets=sheet_count(sheets), workers=None, progress=shown.progress
        )
    out.print(str(page_of(output)), soft_wrap=True)
    if fail_on_regress:
        for name, row in rows.items():
            if row.interval is None:
                err.print(
                    f"{name}: not known whether it has become worse: {row.videos} videos are too "
                    "few for an interval",
                    markup=False,
                    soft_wrap=True,
                )
        for name in (worse := regressed(rows)):
            row = rows[name]
            err.print(
                f"{name} has become worse: {row.difference:+.3f}, 95 % interval {row.interval}",
                markup=False,
                soft_wrap=True,
            )
        if worse:
            raise typer.Exit(1)
