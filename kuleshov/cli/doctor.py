"""`kuleshov doctor`: what is installed."""

from __future__ import annotations

from kuleshov.cli.console import empty_table, out


def doctor() -> None:
    """Print decoder, codecs, torch, GPU and versions.

    Example: kuleshov doctor
    """
    from kuleshov.environment import doctor as look

    table = empty_table("what", "found")
    table.columns[1].justify = "left"
    for name, value in look().items():
        table.add_row(name, str(value))
    out.print(table)
