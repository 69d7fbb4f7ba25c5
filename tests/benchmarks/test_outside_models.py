from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from benchmarks import outside_models
from benchmarks.any_model import build, types
from benchmarks.outside_models import RIGHT, Judge, _apart, figures, prepare, verdict
from kuleshov.dataset import load_samples
from kuleshov.media import Renderer
from kuleshov.train import grpo
from kuleshov.train.prefix import Group
from kuleshov.train.sharing import FILLED, Proof, plain_rows


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


def _program(folder: Path, lines: str) -> str:
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(0o755)
    return str(program)


def test_a_model_is_given_up_by_the_time_that_it_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside other work the clock on the wall goes on, and says nothing of a model."""
    monkeypatch.setattr(outside_models, "CPU_SECONDS", 1)
    for lines, said in {
        "sleep 1.5; echo noise; echo '\"right\"'": "right",
        "while :; do :; done": "not built: no verdict after 1 s of CPU time",
        "exit 3": "not built: exit 3",
    }.items():
        monkeypatch.setattr(sys, "executable", _program(tmp_path, lines))
        assert _apart("qwen2_vl", tmp_path) == said
    monkeypatch.setattr(outside_models, "WALL_SECONDS", 0.5)
    monkeypatch.setattr(sys, "executable", _program(tmp_path, "exec sleep 60"))
    assert _apart("qwen2_vl", tmp_path) == "not built: exit -9"


def test_what_rows_differ_by_is_the_rounding_of_positions(data: Path, tmp_path: Path) -> None:
    """Gemma 4 differs most from itself in rows that are filled up. It is no leak: at the same
    positions, in float64, nothing of it is left.
    """
    samples = load_samples(data / "set", "train")
    build(tmp_path, "gemma4", [sample.prompt for sample in samples])
    judge = Judge(tmp_path, samples, Renderer(data / "clips"))
    assert 2e-5 < judge.rounding() <= judge.limit < 1e-3
    judge.model.double()
    group = Group(judge.prompts[0], judge.completions[:1])
    group.prompt.videos.update(
        {k: v.double() for k, v in group.prompt.videos.items() if v.is_floating_point()}
    )
    told = []
    for filled in (0, *FILLED):
        packed = plain_rows([group], filled=filled)
        where = (packed.inputs["attention_mask"].cumsum(1) - 1).clamp_min(0)
        with torch.no_grad():
            logits = judge.model(**packed.inputs, position_ids=where).logits
        told.append(logits[0, -len(judge.completions[0]) - 1 :].log_softmax(-1))
    assert max(float((other - told[0]).abs().max()) for other in told[1:]) < 1e-9
