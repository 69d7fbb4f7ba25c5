from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuleshov.cli import app
from kuleshov.cli.console import _Terminal, empty_table
from kuleshov.clips import write_clips

HOSTILE = "a[/]b [bold]c \x1b[31mred\x1b[0m \u202ed \ud83d e\x07\x9b2J"
SHOWN = "a[/]b [bold]c \\x1b[31mred\\x1b[0m \\u202ed \\ud83d e\\x07\\x9b2J"


def printed(*things: object) -> str:
    file = io.StringIO()
    _Terminal(file=file, markup=False, width=200, force_terminal=True, color_system=None).print(
        *things
    )
    return file.getvalue()


def test_text_is_printed_as_it_is_and_steers_no_terminal() -> None:
    assert printed(HOSTILE).strip() == SHOWN
    assert printed("two\nlines\tand more").split() == ["two", "lines", "and", "more"]


def test_the_cells_of_tables_are_text_too() -> None:
    table = empty_table("what [b]", "is")
    table.add_row(HOSTILE, "[/]")
    told = printed(table)
    assert SHOWN in told and "[/]" in told and "what [b]" in told and "\x1b" not in told


@pytest.mark.parametrize("name", ["S [clean]", "a[/]b", "e\x1b[31mf", "x [ab]"])
def test_commands_print_paths_as_they_are(tmp_path: Path, name: str) -> None:
    write_clips(tmp_path / "vids", 3, seed=0, workers=0)
    out = tmp_path / name
    shown = name.replace("\x1b", "\\x1b")
    commands = [
        [
            *("make", str(tmp_path / "vids"), "-o", str(out), "--task", "arrow"),
            *("--workers", "0", "--held-out", "0.5"),
        ],
        ["check", str(out)],
        ["view", str(out)],
        ["render", str(out), "-o", str(out / "frames"), "--workers", "0"],
        ["pairs", str(out), "-o", str(out / "pairs")],
        ["freeze", str(out), "--name", "small"],
    ]
    for command in commands:
        result = CliRunner().invoke(app, command)
        assert result.exception is None or isinstance(result.exception, SystemExit), command
        assert shown in result.output.replace("\n", "") and "\x1b" not in result.output
    assert json.loads((out / "summary.json").read_text())["samples"] == 3
    run, site = f"{out}-run", f"{out}-site"
    result = CliRunner().invoke(app, ["eval", "policy:random", str(out), "-o", run])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["report", run, "-o", site])
    assert result.exit_code == 0 and f"{shown}-site" in result.output.replace("\n", "")


@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet"])
@pytest.mark.parametrize("folder", ["x [ab]", "a*b", "[v1]/c?"])
def test_lists_in_folders_with_brackets_are_found(tmp_path: Path, kind: str, folder: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = tmp_path / folder
    write_clips(where, 2, seed=0, workers=0)
    names = [path.name for path in sorted(where.glob("*.mp4"))]
    listed = where / f"list.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"video": names}), listed)
    else:
        head = {"txt": "", "csv": "video\n", "jsonl": ""}[kind]
        rows = [json.dumps({"video": n}) if kind == "jsonl" else n for n in names]
        listed.write_text(head + "".join(f"{row}\n" for row in rows))
    out = tmp_path / "out"
    command = ["make", str(listed), "-o", str(out), "--task", "arrow", "--workers", "0"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "summary.json").read_text())["samples"] == 2
