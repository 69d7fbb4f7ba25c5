from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from kuleshov.run import weights_hash
from kuleshov.train.card import write_card

ANSWER = {
    "sample": "a",
    "task": "jigsaw",
    "video": "v",
    "condition": "full",
    "repeat": 0,
    "completion": "12",
    "answer": [1, 2],
    "score": 0.5,
    "num_frames": 8,
    "num_tokens": 80,
}


def lines(path: Path, values: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "runs" / "first"
    logged: list[dict[str, Any]] = [
        {"phase": "sft", "step": 1, "loss": 4.0},
        *(
            # Rewards of 0.01 to 0.20; a tenth of 20 steps are two.
            {"phase": "grpo", "step": s, "reward": s / 100, "task/jigsaw": s / 100, "loss": 9.0}
            for s in range(1, 21)
        ),
        {"phase": "grpo", "step": 20, "reward": 0.2, "parse_failures": None},  # run again
    ]
    lines(run / "metrics.jsonl", logged)
    (run / "config.yaml").write_text("seed: 0\n")
    record: dict[str, Any] = {
        "model": "Qwen/Qwen3-VL-8B-Instruct",
        "weights": "",
        "samples": "5a" * 16,
    }
    record = {**record, "versions": {"trl": "1.16.0"}}
    (run / "environment.json").write_text(json.dumps(record))
    (run / "model").mkdir()
    (run / "model" / "model.safetensors").write_bytes(b"weights")
    return run


def card(run: Path) -> ModelCard:
    return ModelCard((run / "model" / "README.md").read_text())


def test_a_card_says_what_was_made_of_what(run: Path) -> None:
    write_card(run, run / "model")
    made = card(run)
    assert made.data.get("base_model") == "Qwen/Qwen3-VL-8B-Instruct"
    assert made.data.get("library_name") == "transformers" and made.data.get("license") is None
    assert "| hash of the samples | " + "5a" * 16 in made.text
    assert "```yaml\nseed: 0\n```" in made.text and "trl 1.16.0" in made.text
    assert "| sft | loss | 1 | 4.000 | 4.000 |" in made.text
    # The means of 0.01 and 0.02, and of 0.19 and 0.20.
    assert "| grpo | reward | 20 | 0.015 | 0.195 |" in made.text
    assert "| grpo | task/jigsaw | 20 | 0.015 | 0.195 |" in made.text
    assert "| grpo | loss" not in made.text and "None yet: `kuleshov eval`" in made.text


def test_a_folder_of_this_machine_is_named_without_its_path(run: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    record = json.loads((run / "environment.json").read_text())
    record |= {"model": str(tmp_path / "tiny"), "weights": "0b" * 16}
    (run / "environment.json").write_text(json.dumps(record))
    write_card(run, run / "model")
    assert card(run).data.get("base_model") is None
    assert str(tmp_path) not in (run / "model" / "README.md").read_text()
    assert "| base model | tiny |" in card(run).text


def test_evaluations_of_the_same_weights_come_in_and_no_others(run: Path) -> None:
    own = weights_hash(str(run / "model"))
    answers = [
        ANSWER,
        {**ANSWER, "score": 1.0},  # answered again: the last one counts
        {**ANSWER, "sample": "b", "score": 0.0, "answer": None},
        {**ANSWER, "condition": "blind", "score": 0.25},
    ]
    for name, weights, rows in (("first-eval", own, answers), ("base-eval", "1f", [ANSWER])):
        lines(run.parent / name / "results.jsonl", rows)
        record = json.dumps({"weights": weights})
        (run.parent / name / "environment.json").write_text(record)
    with (run.parent / "first-eval" / "results.jsonl").open("a") as file:
        file.write('{"sample": "c", "ta')  # killed here
    write_card(run, run / "model")
    table = [line for line in card(run).text.splitlines() if line.startswith("| jigsaw")]
    # (1.0 + 0.0) / 2, of which one had no answer.
    assert table == [
        "| jigsaw | blind | 1 | 0.250 | 0.0% |",
        "| jigsaw | full | 2 | 0.500 | 50.0% |",
    ]


def test_a_license_stays_and_a_card_of_ones_own_is_left_alone(run: Path) -> None:
    write_card(run, run / "model")
    path = run / "model" / "README.md"
    path.write_text(path.read_text().replace("---\n", "---\nlicense: apache-2.0\n", 1))
    write_card(run, run / "model")
    assert card(run).data.get("license") == "apache-2.0"
    own = path.read_text().rsplit("<!--", 1)[0] + "My own words.\n"
    path.write_text(own)
    write_card(run, run / "model")
    assert path.read_text() == own


def test_the_card_of_a_cold_start_tells_of_it_alone(run: Path) -> None:
    write_card(run, run / "model", ["sft"])
    assert "| sft | loss" in card(run).text and "| grpo" not in card(run).text
