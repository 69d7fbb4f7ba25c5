from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText

from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.generation import Sampling
from kuleshov.train import job, phases, pipeline
from kuleshov.train import sft as sft_module
from kuleshov.train.config import DPOSettings, GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.model import load_model
from kuleshov.train.pipeline import train
from kuleshov.train.sft import VideoCollator
from kuleshov.trained_on import trained_on
from tests.train.conftest import Setup

CONFIG = TrainConfig(
    sft=SFTSettings(steps=2, batch_size=4, learning_rate=1e-3),
    grpo=GRPOSettings(steps=2, prompts_per_step=2, group_size=2, max_completion_tokens=8),
)


def test_a_run_folder_holds_what_was_run_and_both_models(setup: Setup, tmp_path: Path) -> None:
    trained = train(setup.data, str(setup.folder), tmp_path / "run", CONFIG)
    run = tmp_path / "run"
    assert trained == run / "model"
    for folder in (run / "model", run / "sft" / "model"):
        AutoModelForImageTextToText.from_pretrained(folder)
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [(m["phase"], m["step"]) for m in metrics] == [
        ("sft", 1),
        ("sft", 2),
        ("grpo", 1),
        ("grpo", 2),
    ]
    rollouts = [json.loads(line) for line in (run / "completions.jsonl").read_text().splitlines()]
    assert len(rollouts) == 2 * 4
    assert {r["sample"] for r in rollouts} <= {s.id for s in setup.samples}
    environment = json.loads((run / "environment.json").read_text())
    assert environment["model"] == str(setup.folder) and len(environment["weights"]) == 32
    assert environment["versions"]["trl"] != "missing"
    seen = {video for s in load_samples(setup.data, "train") for video in s.video_ids}
    assert trained_on(str(trained)) == trained_on(str(run / "sft" / "model")) == seen


def test_a_finished_phase_is_not_run_again(setup: Setup, tmp_path: Path) -> None:
    train(setup.data, str(setup.folder), tmp_path, CONFIG)
    (tmp_path / "metrics.jsonl").unlink()
    steps: list[str] = []
    train(setup.data, str(setup.folder), tmp_path, CONFIG, lambda what, *_: steps.append(what))
    assert steps == [] and not (tmp_path / "metrics.jsonl").exists()


def test_a_run_folder_takes_no_other_settings(setup: Setup, tmp_path: Path) -> None:
    train(setup.data, str(setup.folder), tmp_path, CONFIG)
    other = replace(CONFIG, grpo=replace(CONFIG.grpo, learning_rate=0.5))
    for _ in range(2):
        with pytest.raises(UsageError, match=r"settings\.grpo\.learning_rate = 1e-06, not 0\.5"):
            train(setup.data, str(setup.folder), tmp_path, other)
        (tmp_path / "metrics.jsonl").unlink(missing_ok=True)  # its models are there all the same
    assert "learning_rate: 0.5" not in (tmp_path / "config.yaml").read_text()


def test_a_run_of_before_there_was_a_setting_is_one_with_its_default(
    setup: Setup, tmp_path: Path
) -> None:
    train(setup.data, str(setup.folder), tmp_path, CONFIG)
    path = tmp_path / "environment.json"
    record = json.loads(path.read_text())
    del record["settings"]["grpo"]["sampling"]
    # Adapters would have gone elsewhere, but there are none.
    record["settings"]["lora"] = {"rank": 0, "targets": "another default"}
    path.write_text(json.dumps(record))
    cut = replace(CONFIG, grpo=replace(CONFIG.grpo, sampling=Sampling(top_p=0.5)))
    with pytest.raises(UsageError, match=r"settings\.grpo\.sampling\.top_p = 1\.0, not 0\.5"):
        train(setup.data, str(setup.folder), tmp_path, cut)
    train(setup.data, str(setup.folder), tmp_path, CONFIG)


def test_an_interrupted_run_goes_on_from_its_checkpoint(setup: Setup, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop_at_three(what: str, done: int, total: int) -> None:
        if done == 3:
            raise Stop

    config = TrainConfig(
        checkpoint_steps=2, sft=SFTSettings(steps=4, batch_size=2), grpo=CONFIG.grpo
    )
    with pytest.raises(Stop):
        train(setup.data, str(setup.folder), tmp_path, config, stop_at_three)
    steps: list[int] = []
    train(
        setup.data,
        str(setup.folder),
        tmp_path,
        config,
        lambda what, done, total: steps.append(done) if what == "cold start" else None,
    )
    assert steps == [3, 4]
    assert (tmp_path / "model" / "config.json").exists()


def test_the_cold_start_sees_the_tasks_of_the_curriculum_first(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    class Recording(VideoCollator):
        def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
            seen.extend(json.loads(row["sample"])["task"] for row in rows)
            return super().__call__(rows)

    monkeypatch.setattr(sft_module, "VideoCollator", Recording)
    sft = SFTSettings(steps=4, batch_size=4, curriculum={"jigsaw": 2})
    train(setup.data, str(setup.folder), tmp_path, replace(CONFIG, sft=sft))
    assert seen[:8] == ["jigsaw"] * 8
    assert len(seen) == 16 and set(seen[8:]) > {"jigsaw"}


def test_the_same_seed_gives_the_same_weights(setup: Setup, tmp_path: Path) -> None:
    weights = []
    for name in ("a", "b"):
        trained = train(setup.data, str(setup.folder), tmp_path / name, CONFIG)
        weights.append(AutoModelForImageTextToText.from_pretrained(trained).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_a_model_that_cannot_be_loaded_says_so_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be loaded: .*Give a Hugging Face name") as caught:
        load_model(str(tmp_path / "nothing"))
    assert "\n" not in str(caught.value)


def test_pairs_come_between_the_cold_start_and_grpo(setup: Setup, tmp_path: Path) -> None:
    config = replace(CONFIG, dpo=DPOSettings(steps=2, batch_size=2, learning_rate=1e-4))
    train(setup.data, str(setup.folder), tmp_path, config)
    metrics = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [m["phase"] for m in metrics] == ["sft"] * 2 + ["dpo"] * 2 + ["grpo"] * 2
    # The reference is the cold-started model, which the policy still is at its first step.
    assert metrics[2]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    AutoModelForImageTextToText.from_pretrained(tmp_path / "dpo" / "model")
    assert json.loads((tmp_path / "dpo" / "no_pair.json").read_text()) == []


def test_the_last_phase_with_steps_makes_the_model(setup: Setup, tmp_path: Path) -> None:
    config = replace(CONFIG, grpo=replace(CONFIG.grpo, steps=0))
    trained = train(setup.data, str(setup.folder), tmp_path, config)
    assert trained == tmp_path / "model" and not (tmp_path / "sft" / "model").exists()
    AutoModelForImageTextToText.from_pretrained(trained)


def test_samples_that_give_no_pairs_are_refused(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phases, "pair", lambda *args: None)
    config = TrainConfig(dpo=DPOSettings(steps=1, max_reward=0.1))
    with pytest.raises(UsageError, match=r"none of \d+ samples gives a pair .* max_reward: 0\.1"):
        train(setup.data, str(setup.folder), tmp_path, config)
    left_out = json.loads((tmp_path / "dpo" / "no_pair.json").read_text())
    assert sorted(left_out) == sorted(sample.id for sample in setup.samples)


def test_batches_that_cannot_be_split_over_the_processes_are_refused(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = SimpleNamespace(num_processes=3, is_main_process=True, wait_for_everyone=lambda: None)
    for module in (job, pipeline):
        monkeypatch.setattr(module, "PartialState", lambda: three)
    message = r"train\.sft\.batch_size is 4; with 3 processes it must be a multiple of 3"
    with pytest.raises(UsageError, match=message):
        train(setup.data, str(setup.folder), tmp_path / "a", CONFIG)
    grpo = replace(CONFIG.grpo, prompts_per_step=3, group_size=2, micro_batch=6)
    with pytest.raises(UsageError, match="micro_batch is 6; it must divide the 2 completions of"):
        train(setup.data, str(setup.folder), tmp_path / "b", TrainConfig(grpo=grpo))
    # A run goes on with as many processes as it was begun with.
    (tmp_path / "b" / "metrics.jsonl").touch()
    three.num_processes = 1
    with pytest.raises(UsageError, match="processes = 3, not 1"):
        train(setup.data, str(setup.folder), tmp_path / "b", TrainConfig(grpo=grpo))
