"""Page: what an audit found."""

from __future__ import annotations

from pathlib import Path

from kuleshov.audit.auc import Z
from kuleshov.audit.findings import Findings
from kuleshov.audit.leaks import MARGIN, MIN_VIDEOS
from kuleshov.audit.priors import PRIOR_PROBES
from kuleshov.audit.probes import PROBES
from kuleshov.report.page import Section, render, write_page


def write_check(page: Path, name: str, findings: Findings) -> None:
    """Write the page of one audit.

    Args:
        page: the HTML file to write.
        name: what the set is called.
        findings: of it.
    """
    write_page(page, f"Check of {name}", [faults(findings), floors(findings), probes(findings)])


def faults(findings: Findings) -> Section:
    """Errors and warnings."""
    return Section("Errors and warnings", render("faults.html", findings=findings))


def floors(findings: Findings) -> Section:
    """What is earned without looking."""
    return Section("Floors", render("floors.html", findings=findings))


def probes(findings: Findings) -> Section:
    """How far each probe got, the leaks first."""
    order = ("leak", "triviality", "nothing")
    rows = sorted(findings.probes, key=lambda row: order.index(row.verdict))
    about = {name: probe.about for name, probe in PROBES.items()} | PRIOR_PROBES
    limits = {"margin": MARGIN, "z": Z, "min_videos": MIN_VIDEOS}
    return Section("Probes", render("probes.html", rows=rows, about=about, **limits))
