from __future__ import annotations

import json
from pathlib import Path

import pytest

from kuleshov.errors import UsageError
from kuleshov.evaluate.config import EvalConfig
from kuleshov.run import begin, environment, weights_hash

RECORD = {"model": "m", "settings": {"seed": 1, "steps": [1, 2]}}


def test_a_run_says_what_it_was_made_with(tmp_path: Path) -> None:
    begin(tmp_path / "run", RECORD, EvalConfig(), started=False)
    there = environment(tmp_path / "run")
    assert {key: there[key] for key in RECORD} == RECORD
    assert there["versions"]["python"].startswith("3.")
    assert "temperature: 0.0" in (tmp_path / "run" / "config.yaml").read_text()


def test_a_started_run_goes_on_with_the_same_and_refuses_another(tmp_path: Path) -> None:
    begin(tmp_path, RECORD, EvalConfig(), started=False)
    begin(tmp_path, RECORD, EvalConfig(), started=True)
    begin(tmp_path, {**RECORD, "settings": {"seed": 1, "steps": (1, 2)}}, EvalConfig(), True)
    other = {**RECORD, "settings": {"seed": 2, "steps": [1, 2]}}
    with pytest.raises(UsageError, match=r"holds a run with settings\.seed = 1, not 2"):
        begin(tmp_path, other, EvalConfig(), started=True)
    assert environment(tmp_path)["settings"]["seed"] == 1


def test_a_key_that_an_earlier_version_had_not_means_what_it_did(tmp_path: Path) -> None:
    begin(tmp_path, RECORD, EvalConfig(), started=False)
    before = {"settings": {"seed": 7, "top_k": 0}}
    other = {**RECORD, "settings": {**RECORD["settings"], "top_k": 5}}  # type: ignore[dict-item]
    with pytest.raises(UsageError, match=r"holds a run with settings\.top_k = 0, not 5"):
        begin(tmp_path, other, EvalConfig(), True, before)
    same = {**RECORD, "settings": {**RECORD["settings"], "top_k": 0}}  # type: ignore[dict-item]
    begin(tmp_path, same, EvalConfig(), True, before)
    assert environment(tmp_path)["settings"] == {"seed": 1, "steps": [1, 2], "top_k": 0}


def test_a_run_that_did_nothing_yet_may_begin_again(tmp_path: Path) -> None:
    # A mistyped model name must not spoil the folder.
    begin(tmp_path, {"model": "mm"}, EvalConfig(), started=False)
    begin(tmp_path, {"model": "m"}, EvalConfig(), started=False)
    assert environment(tmp_path)["model"] == "m"


def test_other_weights_have_another_hash_and_a_hub_name_has_none(tmp_path: Path) -> None:
    hashes = set()
    for content in (b"one", b"two"):
        (tmp_path / "model.safetensors").write_bytes(content)
        hashes.add(weights_hash(str(tmp_path)))
    assert len(hashes) == 2
    assert weights_hash("Qwen/Qwen3-VL-2B-Instruct") == ""


@pytest.mark.parametrize("content", [None, b"", b'{"model": ', b"\xff", b"[]", b"\0\0"])
def test_a_run_that_no_longer_says_what_it_was_made_with_is_told(
    content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "environment.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"environment\.json (cannot be read|is no longer)"):
        environment(tmp_path)


def test_a_word_of_another_kind_is_told(tmp_path: Path) -> None:
    begin(tmp_path, RECORD, EvalConfig(), started=False)
    path = tmp_path / "environment.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "model": ["m"]}))
    with pytest.raises(UsageError, match=r"environment\.json is no longer what was written"):
        environment(tmp_path)
