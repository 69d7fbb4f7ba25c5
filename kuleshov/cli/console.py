"""Where commands print: results to `out`, all else to `err`."""

from __future__ import annotations

import logging

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


class _ToErr(logging.Handler):
    """Prints what the package warns of; all else of a log is not for the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.levelname.lower()}: {record.getMessage()}"
        err.print(text, markup=False, highlight=False, soft_wrap=True)


logging.getLogger("kuleshov").addHandler(_ToErr(logging.WARNING))
