"""`kuleshov check`: the audit of a sample set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuleshov.cli.console import empty_table, err, out
from kuleshov.cli.options import Data, Overwrite, Videos
from kuleshov.cli.training import training_libraries
from kuleshov.live import live


def check(
    data: Data,
    samples: Annotated[
        int, typer.Option(help="Of each task, whose frames are looked at and probed.")
    ] = 200,
    rendered: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Probe the files of `kuleshov render`.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Name or path of a Hugging Face Video LLM: also say what it cannot tell apart.",
        ),
    ] = None,
    drop: Annotated[
        Path | None,
        typer.Option(
            metavar="CLEAN", help="Look at all samples and write the set without faulty ones."
        ),
    ] = None,
    overwrite: Overwrite = False,
    videos: Videos = None,
) -> None:
    """Try to cheat: is each sample sound, and can answers be had without watching?

    Example: kuleshov check samples --drop clean
    """
    from kuleshov.audit import audit
    from kuleshov.audit.clean import write_clean
    from kuleshov.dataset import finished, load_samples, load_summary
    from kuleshov.owned import check as check_folder
    from kuleshov.owned import check_page, writing
    from kuleshov.report.check import write_check

    load_summary(data)
    check_folder(data, "samples")
    page = data / "check.html"
    check_page(page)
    if drop is not None:
        check_folder(drop, "samples")
        finished(drop, overwrite)
    for_model = []
    if model is not None:
        with training_libraries():
            from kuleshov.train.positions import findings_of

            of_set = load_samples(data)
            for_model = findings_of(model, of_set, samples if drop is None else len(of_set))
    with live(err) as shown:
        findings = audit(
            data, samples, rendered, drop is not None, progress=shown.progress, workers=None
        )
    for one in for_model:
        (findings.errors if one.sample else findings.warnings).append(one)
    table = empty_table("task", "samples", "chance", "learned", "best constant", "which is")
    for floor in findings.floors:
        figures = [f"{one:.3f}" for one in (floor.chance, floor.learned, floor.best_constant)]
        table.add_row(floor.task, str(floor.samples), *figures, floor.constant)
    out.print(table)
    if findings.probes:
        table = empty_table("task", "probe", "on", "score", "interval", "chance", "verdict")
        for row in findings.worst():
            ends = f"{row.interval[0]:.3f} to {row.interval[1]:.3f}"
            values = f"{row.score:.3f}", ends, f"{row.chance:.3f}"
            table.add_row(row.task, row.probe, row.on, *values, row.verdict)
        out.print(table)
    if findings.not_recomputed:
        out.print(f"answers not computed again: {', '.join(findings.not_recomputed)}")
    for warning in findings.warnings:
        err.print(f"warning: {warning}", markup=False, soft_wrap=True)
    for error in findings.errors:
        err.print(f"error: {error}", markup=False, soft_wrap=True)
    with writing(data, "samples"):
        write_check(page, data.name, findings)
    out.print(str(page), soft_wrap=True)
    if drop is not None:
        summary = write_clean(data, findings, drop, overwrite)
        dropped = f"{len(findings.faulty())} dropped"
        out.print(f"{summary['samples']} samples in {drop}, {dropped}", soft_wrap=True)
    out.print(f"{len(findings.errors)} errors, {len(findings.warnings)} warnings")
    if findings.errors:
        raise typer.Exit(1)
