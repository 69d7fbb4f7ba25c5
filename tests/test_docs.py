"""Documents cannot lie: their paths exist, their links lead somewhere, their code runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from kuleshov.cli import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
by_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)


@by_document
def test_paths_in_backticks_exist(path: Path) -> None:
    named = re.findall(r"`((?:kuleshov|recipes|docs|tests|benchmarks)/[\w./-]*)`", path.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


@by_document
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", path.read_text())
    local = [link for link in links if not link.startswith("http")]
    assert [link for link in local if not (path.parent / link).exists()] == []


def test_the_index_names_every_module() -> None:
    text = (ROOT / "docs" / "index.md").read_text()
    folders = {"tasks", "report", "cli"}
    support = {"__init__", "errors", "environment", "progress", "randomness", "recipe"}
    support |= {"clips", "demo", "config", "__main__"}
    for path in (ROOT / "kuleshov").rglob("*.py"):
        if path.stem not in support and not folders & set(path.parts):
            assert f"`{path.relative_to(ROOT).as_posix()}`" in text


@by_document
def test_commands_of_the_program_have_the_options_that_are_named(path: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]  # of a group
    text = path.read_text().replace("\\\n", " ")  # lines that go on
    spans = [
        *re.findall(r"^ *(kuleshov .*)", text, re.MULTILINE),
        *re.findall(r"`(kuleshov .*?)`", text),
    ]
    for span in spans:
        _, names, *rest = re.sub(r" #.*", "", span).split()
        named = {word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        for name in names.split("|"):
            assert name in commands, span
            known = {option for parameter in commands[name].params for option in parameter.opts}
            assert named <= known, span


def test_the_commands_of_the_readme_are_targets_of_the_makefile() -> None:
    commands = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(commands) <= set(targets)


def test_the_example_of_the_readme_prints_what_it_says(
    tmp_path: Path,
) -> None:
    text = (ROOT / "README.md").read_text()
    found = re.search(r"```python\n(.*?)```\n+```\n(.*?)```", text, re.DOTALL)
    assert found is not None
    code, output = found.groups()
    (tmp_path / "example.py").write_text(code)
    example = [sys.executable, "example.py"]
    ran = subprocess.run(example, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == output
