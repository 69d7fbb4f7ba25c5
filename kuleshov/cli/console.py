"""Where commands print: results to `out`, all else to `err`."""

from __future__ import annotations

import logging
from typing import Any
from unicodedata import category

from rich.console import Console
from rich.table import Table
from rich.text import Text


class _Terminal(Console):
    """Text is printed as it is: nothing in it is markup, and what would steer the terminal, or is
    half of a character, is shown as an escape.
    """

    def render_str(self, text: str, **settings: Any) -> Text:
        return super().render_str(visible(text), **settings)


def visible(text: str) -> str:
    r"""A text without what a terminal would act on.

    >>> visible("a\x1b[31m \u202eb\nc")
    'a\\x1b[31m \\u202eb\nc'
    """
    shown = (c if _harmless(c) else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown)


def _harmless(character: str) -> bool:
    # Control characters, those that turn the direction of writing, and halves of characters.
    return character in "\n\t" or category(character) not in ("Cc", "Cf", "Cs")


out = _Terminal(markup=False)
err = _Terminal(stderr=True, markup=False)


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
