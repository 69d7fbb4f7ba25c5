"""A page from its sections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from kuleshov.files import make_folder, replace_text

_TEMPLATES = Environment(
    loader=PackageLoader("kuleshov.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Section(NamedTuple):
    """A part of a page with a heading."""

    title: str
    body: Markup


def render(template: str, **values: Any) -> Markup:
    """A template of this package, with every value escaped."""
    return Markup(_TEMPLATES.get_template(template).render(**values))


def write_page(path: Path, title: str, sections: Sequence[Section], lead: str = "") -> None:
    """Write a page.

    Args:
        path: the HTML file.
        title: its heading.
        sections: in order.
        lead: what a reader should know before all of them.

    Raises:
        WriteError: the disk is full, or the file cannot be written.
    """
    make_folder(path.parent)
    replace_text(path, clean(render("page.html", title=title, sections=sections, lead=lead)))


def clean(text: str) -> str:
    """Text that can be written: a name of other bytes than UTF-8 has lone surrogates."""
    return text.encode("utf-8", "replace").decode()
