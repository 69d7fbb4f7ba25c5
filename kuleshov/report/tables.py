"""The tables of a report for people who write: JSON, Markdown and LaTeX.

What a sample set or a model is called is text in each of them, whatever it holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from kuleshov.report.audited import audit_of
from kuleshov.report.compared import Compared
from kuleshov.report.headline import headlines
from kuleshov.report.results import Line, columns, lines, regressed, warnings
from kuleshov.run import environment
from kuleshov.sample import Json

FORMAT = 1

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_NUMBER = re.compile(r"[+-]?\d[\d.e+-]*( to [+-]?\d[\d.]*)?")


def as_json(sets: Sequence[Compared], names: Sequence[str]) -> str:
    """All figures of the page. A lone model's hold no comparison."""
    return json.dumps(
        {
            "format": FORMAT,
            "names": list(names),
            "sets": [_set(one, names) for one in sets],
            "regressed": [line.name for line in regressed(sets)],
            "warnings": warnings(sets),
        },
        indent=1,
    )


def _set(one: Compared, names: Sequence[str]) -> Json:
    runs = [environment(run) for run in one.runs]
    found = {
        "name": one.name,
        "samples": runs[-1]["samples"],
        "bench": runs[-1].get("bench"),
        "audit": audit_of(one),
        "runs": [
            {
                "folder": run.name,
                "model": record["model"],
                "weights": record.get("weights"),
                "temperature": record["temperature"],
                "versions": record["versions"],
            }
            for run, record in zip(one.runs, runs, strict=True)
        ],
        "reported": [row._asdict() for row in headlines([one])],
        "tasks": {},
        "overall": None,
    }
    for line in lines([one]):
        figures = line.row.to_json()
        if line.alone:
            figures = {key: figures[key] for key in _ALONE}
            figures["interval"] = None if line.interval is None else list(line.interval)
        if line.together:
            found["overall"] = figures
        else:
            found["tasks"][line.name] = figures
    return found


_ALONE = (
    "chance",
    "best_constant",
    "floors",
    "blind",
    "after",
    "corrected",
    "failures_after",
    "solved_blind",
    "needs_time",
    "n",
    "videos",
)


def markdown(sets: Sequence[Compared], names: Sequence[str]) -> str:
    """The table of results."""
    head = columns(names)
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    body = [[_in_markdown(cell) for cell in line.cells()] for line in lines(sets)]
    text = [[_in_markdown(cell) for cell in head], rows[1], *body]
    return "".join(f"| {' | '.join(row)} |\n" for row in text)


def latex(sets: Sequence[Compared], names: Sequence[str]) -> str:
    """The same for a paper; needs the package booktabs."""
    head = columns(names)

    def row(cells: Sequence[str]) -> str:
        return f"{' & '.join(map(_in_latex, cells))} \\\\\n"

    body = "".join(_rule(line) + row(line.cells()) for line in lines(sets))
    return (
        f"\\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}\n\\toprule\n{row(head)}\\midrule\n"
        f"{body}\\bottomrule\n\\end{{tabular}}\n"
    )


def _rule(line: Line) -> str:
    return "\\midrule\n" if line.together else ""


def _in_markdown(cell: str) -> str:
    if _NUMBER.fullmatch(cell):
        return cell
    return _MARKDOWN.sub(r"\\\1", " ".join(cell.split())).replace("&", "&amp;")


def _in_latex(cell: str) -> str:
    if _NUMBER.fullmatch(cell):
        return f"${cell.replace(' to ', '$ to $')}$"
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(cell.split()))
