from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest

from benchmarks import outside, outside_cases, outside_cells


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What is wrong with cells and cases that are not made."""
    wrong: dict[str, list[str]] = {}
    cells = {"cells": 3, "cells_wrong": 1, "wrong": {"a.mp4": ["40 frames, not 39"]}}
    monkeypatch.setattr(outside_cells, "run", lambda progress: dict(cells))
    monkeypatch.setattr(
        outside_cases, "run", lambda: {"cases": 2, "cases_wrong": 0, "wrong": wrong}
    )
    return wrong


def ran(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(sys, "argv", ["outside", *arguments])
    with pytest.raises(SystemExit) as stopped:
        outside.main()
    return bool(stopped.value.code)


@pytest.mark.usefixtures("found")
def test_the_last_line_has_every_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ModuleType("benchmarks.outside_models")
    models.models = lambda: {"models": {"qwen2_vl": "right"}, "silently_wrong": 0}  # type: ignore[attr-defined]
    monkeypatch.setattr(outside, "find_spec", lambda _: True)
    monkeypatch.setitem(sys.modules, "benchmarks.outside_models", models)
    assert ran([], monkeypatch)
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1]) == {
        **{"cells": 3, "cells_wrong": 1, "cases": 2, "cases_wrong": 0},
        **{"models": {"qwen2_vl": "right"}, "silently_wrong": 0},
    }
    assert said.err == "a.mp4: 40 frames, not 39\n"


@pytest.mark.usefixtures("found")
def test_a_part_may_run_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not ran(["--only", "cases"], monkeypatch)
    assert json.loads(capsys.readouterr().out) == {"cases": 2, "cases_wrong": 0}
