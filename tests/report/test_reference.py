"""docs/config.md and the table of docs/training.md are what `make docs` would write."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from kuleshov.report.reference import (
    SECTIONS,
    _kinds,
    config_page,
    described,
    memory_table,
    training_page,
)

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_page_of_keys_is_current() -> None:
    assert (DOCS / "config.md").read_text() == config_page(), "run `make docs`"


def test_the_table_of_memory_is_current() -> None:
    page = (DOCS / "training.md").read_text()
    assert page == training_page(page), "run `make docs`"
    assert memory_table() in page


def test_every_key_is_documented() -> None:
    """And nothing else: a key that went is out of the docstring too."""
    for section, kind in SECTIONS.items():
        for where, nested in _kinds(section, kind):
            names = [field.name for field in fields(nested)]
            assert sorted(described(nested)) == sorted(names), where
            assert all(described(nested).values()), where


def test_nested_sections_are_found_where_they_may_be_none_too() -> None:
    @dataclass(frozen=True)
    class Inner:
        """Inner.

        Args:
            a: first.
        """

        a: int = 0

    @dataclass(frozen=True)
    class Outer:
        inner: Inner | None = None

    Outer.__annotations__["inner"] = Inner | None
    assert [where for where, _ in _kinds("x", Outer)] == ["x", "x.inner"]


def test_a_docstring_is_read_key_by_key() -> None:
    @dataclass(frozen=True)
    class Config:
        """What it is.

        Args:
            first: of two lines, the second
                is indented: with a colon.
            second: short.

        Raises:
            KeyError: no key of the config.
        """

    assert described(Config) == {
        "first": "of two lines, the second is indented: with a colon.",
        "second": "short.",
    }
