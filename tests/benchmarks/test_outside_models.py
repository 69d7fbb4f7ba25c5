from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import outside_models
from benchmarks.any_model import types
from benchmarks.outside_models import RIGHT, Judge, figures, prepare, verdict
from kuleshov.train import grpo
from kuleshov.train.sharing import Proof


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("outside"))


@pytest.mark.parametrize(
    ("name", "said"),
    [("llava_onevision", "right"), ("internvl with gpt_oss", "right, unshared")],
)
def test_what_is_right_is_found_right(name: str, said: str, data: Path) -> None:
    assert verdict(name, data) == said


def test_what_leaks_is_found_wrong(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpo, "unshared", lambda model: "")
    monkeypatch.setattr(grpo, "prove", lambda *_: Proof(0.0, 0.0, 0.0, 0.0, 1.0))
    assert verdict("internvl with gpt_oss", data).startswith("wrong: log-probabilities differ by")


def test_a_judge_that_sees_no_leak_fails(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "same", lambda *_: True)
    assert verdict("qwen2_vl", data) == "wrong: the planted leak does not show"


def test_what_the_project_refuses_is_refused(data: Path) -> None:
    assert verdict("instructblip", data).startswith("refused: model")


def test_a_type_that_is_not_there_is_not_built(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside_models, "build", lambda *_, **__: [][0])
    assert verdict("qwen2_vl", data) == "not built: IndexError: list index out of range"


def test_figures_say_what_is_missing() -> None:
    found = dict.fromkeys(RIGHT, "right") | {"a": "wrong: x", "smolvlm": "refused: y"}
    said = figures(found)
    assert said["silently_wrong"] == 1 and said["models_missing"] == ["smolvlm"]
    assert said["types"] == len(types()) >= 39
    many = {str(number): "not built: z" for number in range(6)}
    assert len(figures(dict.fromkeys(RIGHT, "right") | many)["models_missing"]) == 6
