"""What several commands say of a sample set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from kuleshov.cli.console import empty_table, err, out


def made(summary: dict[str, Any], output: Path) -> None:
    """What a set holds, and what it lacks."""
    table = empty_table("task", "train", "held out")
    for name, count in summary["tasks"].items():
        table.add_row(name, str(count["train"]), str(count["held_out"]))
    out.print(table)
    out.print(f"{summary['samples']} samples and {summary['skips']} skips in {output}")
    if retried := summary.get("retried"):
        out.print(f"{retried} videos were worked on once more, alone, as the work on them failed")
    for name, count in summary.get("mixture", {}).items():
        if count["missing"]:
            err.print(
                f"{name}: {count['missing']} of {count['wanted']} samples are missing; give more "
                f"videos, or raise per_video or make.per_task.{name}",
                soft_wrap=True,
            )
    if not summary["samples"]:
        err.print(f"no sample was made; {output / 'skips.jsonl'} says why")
        raise typer.Exit(1)


def audited(errors: list[str]) -> None:
    """The errors that an audit found."""
    out.print(f"audit: {len(errors)} errors")
    for error in errors:
        err.print(f"error: {error}", markup=False, soft_wrap=True)


def left_out_of(run: Path) -> None:
    """What a run left out, as its figures are of the others."""
    from kuleshov.left_out import FILE, left_out

    if lost := left_out(run):
        samples = len({entry["sample"] for entry in lost})
        text = f"{samples} samples are left out, see {run / FILE}; one is, as {lost[0]['reason']}"
        err.print(text, markup=False, soft_wrap=True)
