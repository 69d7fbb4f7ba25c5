"""The report of an experiment: which sections, from which runs.

    report/                     or      some.html
      index.html   the page                some.html
      report.json  all figures             some.json
      report.md    the table               some.md
      report.tex   the table               some.tex
      report_files/                        some_files/   what the flip browser reads, see flips.py

Nothing else is needed: no server, and nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kuleshov.errors import UsageError
from kuleshov.files import replace_text
from kuleshov.owned import check_beside, writing
from kuleshov.progress import Progress
from kuleshov.report import tables
from kuleshov.report.audited import audited
from kuleshov.report.compared import Compared, compared
from kuleshov.report.curves import curves
from kuleshov.report.flips import SHEETS, flips
from kuleshov.report.floors import floors
from kuleshov.report.forest import forest
from kuleshov.report.headline import headline
from kuleshov.report.letters import letters
from kuleshov.report.needs_time import needs_time
from kuleshov.report.page import Section, clean, write_page
from kuleshov.report.results import results
from kuleshov.report.settings import settings
from kuleshov.report.sub_scores import sub_scores
from kuleshov.run import environment

NAMES = ("base", "trained")


def page_of(output: Path) -> Path:
    """The page's file: the output itself if it is called .html, else index.html in it."""
    return output if output.suffix == ".html" else output / "index.html"


def build(
    runs: Sequence[Path],
    output: Path,
    names: tuple[str, str] = NAMES,
    lead: str = "",
    sheets: int | None = SHEETS,
    workers: int | None = 0,
    progress: Progress = lambda *_: None,
) -> list[Compared]:
    """Write the page of one model, or of two with the training between them.

    Args:
        runs: run folders. Of the evaluations of one sample set the first is the base model's,
            the others are the trained model's, one for each seed of its training. Those with
            metrics are training runs.
        output: the HTML file to write, or the folder for it.
        names: what the two models are called; of one alone the second name.
        lead: a sentence on how the figures were made.
        sheets: items of each row that get a contact sheet; None for all.
        workers: processes that draw these; None for one a core, 0 for none but this one.
        progress: told of every sheet.

    Returns:
        The sets; `labelled` (compared.py) has their tasks, `lines` (results.py) their means too.

    Raises:
        UsageError: no evaluation run, runs that cannot be compared, or a folder that holds
            something else.
        WriteError: the disk is full, or the output cannot be written.
    """
    for run in runs:
        if not (run / "environment.json").is_file():
            raise UsageError(f"{run} is no run folder; give those of `kuleshov train` and `eval`")
    evaluated = [run for run in runs if (run / "results.jsonl").is_file()]
    if not evaluated:
        raise UsageError(
            f"a report needs an evaluation, and none of {', '.join(map(str, runs))} holds a "
            "results.jsonl; run `kuleshov eval` on the model before and after training and give "
            "both run folders"
        )
    page = page_of(output)
    name = "report" if page != output else page.stem
    files = page.parent / f"{name}_files"
    tables_of = {kind: page.parent / f"{name}.{kind}" for kind in ("json", "md", "tex")}
    if page == output or not output.is_dir():
        check_beside(files, "report", (page, *tables_of.values()))
    else:
        check_beside(files, "report", output.iterdir())
    with writing(files, "report", *runs):
        return _build(
            evaluated, runs, page, files, tables_of, names, lead, sheets, workers, progress
        )


def _build(
    evaluated: Sequence[Path],
    runs: Sequence[Path],
    page: Path,
    files: Path,
    tables_of: Mapping[str, Path],
    names: tuple[str, ...],
    lead: str,
    sheets: int | None,
    workers: int | None,
    progress: Progress,
) -> list[Compared]:
    sets = compared(evaluated)
    called = names if sets[0].before is not None else names[1:]
    if len(called) == 1 and names == NAMES:
        called = ("score",)
    temperature = environment(evaluated[-1])["temperature"]
    sections: list[Section | None] = [
        results(sets, called, temperature),
        audited(sets),
        forest(sets, called),
        headline(sets, called),
        sub_scores(sets, called),
        needs_time(sets, called),
        floors(sets, called),
        letters(sets, called),
        *(curves(run) for run in runs if run not in evaluated),
        flips(sets, called, files, sheets, workers, progress),
        settings(runs),
    ]
    replace_text(tables_of["json"], tables.as_json(sets, called) + "\n")
    replace_text(tables_of["md"], clean(tables.markdown(sets, called)))
    replace_text(tables_of["tex"], clean(tables.latex(sets, called)))
    shown = [section for section in sections if section is not None]
    write_page(page, "kuleshov report", shown, lead)
    return sets
