"""`kuleshov demo`: the whole way on small settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuleshov.cli.console import err, out
from kuleshov.cli.options import Config
from kuleshov.cli.training import training_libraries
from kuleshov.live import live


def demo(
    videos: Annotated[Path | None, typer.Argument(help="Your own folder of videos.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder.")] = Path("runs/demo"),
    config: Config = None,
) -> None:
    """Run the whole way on small settings and write a report.

    Example: kuleshov demo
    """
    from kuleshov.recipe import packaged

    recipe = config or packaged("demo.yaml")
    settings = recipe.read_text(encoding="utf-8")
    out.print(f"settings of {recipe}:\n{settings}", markup=False, highlight=False, soft_wrap=True)
    with training_libraries():
        from kuleshov.demo import demo as run

        with live(err) as shown:
            page = run(recipe, output, videos, shown.progress, shown.figures)
    out.print(str(page.resolve()), soft_wrap=True)
