"""Section: what the audit of a frozen benchmark found, beside the scores that it bears on.

Where a benchmark leaks, as VIUBench does in its published setting, a score may come from the leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kuleshov.audit.leaks import MIN_VIDEOS
from kuleshov.errors import UsageError
from kuleshov.evaluate import bench
from kuleshov.report.compared import Compared
from kuleshov.report.page import Section, render
from kuleshov.run import environment


def audit_of(one: Compared) -> dict[str, Any] | None:
    """What `kuleshov freeze` wrote down of a sample set: errors, warnings, floors, probes.

    None where the set was not frozen when it was answered, or is another one by now.
    """
    record = environment(one.runs[-1])
    frozen = record.get("bench")
    if not frozen:
        return None
    try:
        manifest = bench.load(Path(record["data"]))
    except UsageError:
        return None
    found: dict[str, Any] = manifest["audit"]
    return found if bench.digest(manifest) == frozen["hash"] else None


def audit_warnings(sets: Sequence[Compared]) -> list[str]:
    """One for each set whose audit found errors."""
    found = []
    for one in sets:
        audit = audit_of(one)
        if audit is not None and audit["errors"]:
            n = len(audit["errors"])
            leaks = [row for row in audit["probes"] if row["verdict"] == "leak"]
            count = f"{n} error{'s' if n > 1 else ''}"
            tasks = f", leaks in {', '.join(row['task'] for row in leaks)}" if leaks else ""
            found.append(
                f"the audit of {one.name} found {count}{tasks}: scores may "
                "come from there; see the audit"
            )
    return found


def audited(sets: Sequence[Compared]) -> Section | None:
    """The audits; None where no set was frozen.

    Args:
        sets: what is compared.
    """
    found = [(one.name, audit) for one in sets if (audit := audit_of(one)) is not None]
    if not found:
        return None
    return Section("Audit", render("audited.html", audits=found, min_videos=MIN_VIDEOS))
