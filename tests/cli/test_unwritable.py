"""A folder that cannot be written is told in one line, by every command that writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuleshov.cli import app
from kuleshov.clips import write_clips
from kuleshov.errors import KuleshovError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unwritable")
    write_clips(folder / "vids", 3, seed=0, workers=0)
    command = ["make", str(folder / "vids"), "-o", str(folder / "set"), "--task", "arrow"]
    assert CliRunner().invoke(app, [*command, "--workers", "0", "--held-out", "0.5"]).exit_code == 0
    command = ["eval", "policy:random", str(folder / "set"), "-o", str(folder / "run")]
    assert CliRunner().invoke(app, command).exit_code == 0
    return folder


COMMANDS = {
    "make": ["make", "VIDS", "-o", "OUT", "--task", "arrow", "--workers", "0"],
    "render": ["render", "SET", "-o", "OUT", "--workers", "0"],
    "eval": ["eval", "policy:random", "SET", "-o", "OUT"],
    "eval endpoint": [
        *("eval", "m", "SET", "-o", "OUT", "--backend", "openai"),
        *("--endpoint", "http://127.0.0.1:9/v1"),
    ],
    "demo": ["demo", "VIDS", "-o", "OUT"],
    "check --drop": ["check", "SET", "--drop", "OUT"],
    "pairs": ["pairs", "SET", "-o", "OUT"],
    "pairs --into": ["pairs", "SET", "--into", "OUT", "--keys", "motion"],
    "curate": ["curate", "VIDS", "-o", "OUT", "--layout", "hmdb51"],
    "benchmark": ["benchmark", "charades_sta", "VIDS", "-o", "OUT"],
    "train": ["train", "SET", "-o", "OUT", "--model", "MODEL"],
    "report": ["report", "RUN", "-o", "OUT"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_it_is_one_line(data: Path, tmp_path: Path, name: str) -> None:
    # A file in the place of a folder stops everybody, the administrator too.
    (tmp_path / "file").write_text("of somebody")
    places = {"VIDS": data / "vids", "SET": data / "set", "RUN": data / "run"}
    places["OUT"] = tmp_path / "file" / "out"
    command = [str(places.get(word, word)) for word in COMMANDS[name]]
    result = CliRunner().invoke(app, command)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert isinstance(result.exception, KuleshovError), result.exception
        assert str(tmp_path / "file") in str(result.exception)
        assert "out is a file" not in str(result.exception)
    else:
        assert result.exit_code == 2 and str(tmp_path / "file") in result.output, result.output
    assert (tmp_path / "file").read_text() == "of somebody"
