"""The set without the samples at fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kuleshov.audit.findings import Findings
from kuleshov.dataset import (
    BadRow,
    finished,
    iterate_rows,
    load_skips,
    root_in,
    settings,
    videos_root,
    write,
)
from kuleshov.errors import UsageError
from kuleshov.owned import writing
from kuleshov.sample import Sample, Skip


def write_clean(
    out: Path, findings: Findings, clean: Path, overwrite: bool = False
) -> dict[str, Any]:
    """Write a set again without the samples that have an error of their own.

    Each of them becomes a Skip with its first error as the reason. Errors that are no single
    sample's (leaks, duplicates) stay.

    Args:
        out: the set.
        findings: of it, from an audit of every sample.
        clean: the folder to write, not `out`.
        overwrite: whether a finished set is made anew.

    Returns:
        The summary of the new set.

    Raises:
        UsageError: `clean` is the set itself, or holds something else.
    """
    if clean.resolve() == out.resolve():
        raise UsageError(f"{clean} is the set itself; give another folder for the clean one")
    config = settings(out)
    config["videos"] = root_in(clean, videos_root(out))
    faulty = findings.faulty()

    def results() -> Iterator[Sample | Skip]:
        yield from load_skips(out)
        for sample in iterate_rows(out):
            if isinstance(sample, BadRow):
                yield Skip(sample.where, f"dropped by check: wrong: {sample.why}")
            elif (fault := faulty.get(sample.id)) is None:
                yield sample
            else:
                path = sample.path
                yield Skip(path, f"dropped by check: {fault.kind}: {fault.text}", sample.task)

    with writing(clean, "samples", out):
        finished(clean, overwrite)
        return write(clean, results(), config)
