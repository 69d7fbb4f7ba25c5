"""Where commands print: results to `out`, all else to `err`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

out = Console()
err = Console(stderr=True)


def empty_table(*columns: str) -> Table:
    """A table without lines; figures stand right, what they are of stands left."""
    made = Table(box=None, pad_edge=False)
    for i, column in enumerate(columns):
        made.add_column(column, justify="right" if i else "left")
    return made
