"""Arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuleshov.errors import UsageError
from kuleshov.named import given

Data = Annotated[Path, typer.Argument(metavar="OUT", help="Folder that `kuleshov make` wrote.")]


# A command need not look at it: it holds until the command ends.
def _given(context: typer.Context, videos: str | None) -> str | None:
    context.with_resource(given(videos))
    return videos


Videos = Annotated[
    str | None,
    typer.Option(
        "--videos",
        metavar="FOLDER",
        callback=_given,
        help="Folder or address of the videos, in the place of what the set says; it is needed "
        "once for a set of somebody else.",
    ),
]
Config = Annotated[Path | None, typer.Option("--config", help="Recipe (YAML); flags win over it.")]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="A.B=C",
        help="Set one key of the command's section, such as seed=1; wins over all else; repeat "
        "for several. All keys: docs/config.md.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Make a finished set anew; a frozen one never is.")
]
Concurrency = Annotated[
    int, typer.Option(min=1, help="Requests to the endpoint that are under way at a time.")
]
PUSH = "REPO of the Hugging Face hub to which {what} is uploaded when it is on disk."
REPLIES = "replies.jsonl"
"""In the folder that a command writes: what an endpoint said."""


def sheet_count(sheets: str) -> int | None:
    """How many contact sheets `--sheets` asks for; None for all.

    Raises:
        UsageError: neither a number nor "all".
    """
    if sheets != "all" and not sheets.isdecimal():
        raise UsageError(f"--sheets is {sheets!r}; allowed: a number or all")
    return None if sheets == "all" else int(sheets)
