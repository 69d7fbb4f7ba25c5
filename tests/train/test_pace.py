from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from kuleshov.errors import UsageError
from kuleshov.report.curves import curves
from kuleshov.train import reporters
from kuleshov.train.config import GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.pace import Pace, Waiting
from kuleshov.train.pipeline import train
from tests.train.conftest import Setup

CONFIG = TrainConfig(
    sft=SFTSettings(steps=2, batch_size=2),
    grpo=GRPOSettings(
        steps=4,
        prompts_per_step=2,
        group_size=2,
        max_completion_tokens=4,
        extra={"num_iterations": 2},
    ),
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_rates_and_shares_are_those_of_the_clock() -> None:
    clock = Clock()
    waiting = Waiting(clock)

    def fetch() -> None:
        clock.now += 1.0  # of which the encoder, which is called in it, is no second time
        with waiting:
            clock.now += 2.0

    metrics: defaultdict[str, list[Any]] = defaultdict(list)
    trainer = SimpleNamespace(get_batch_samples=fetch, _metrics={"train": metrics})
    pace = Pace(trainer, waiting, clock)
    state = SimpleNamespace(global_step=0)
    pace.on_train_begin(None, state, None)

    trainer.get_batch_samples()  # 3 s
    clock.now += 9.0
    metrics["num_tokens"] = [240]
    pace.on_step_end(None, state, None)
    # 240 tokens in 12 s; 3 of 12 s were waited.
    assert (metrics.pop("tokens_per_second"), metrics.pop("waiting")) == ([20.0], [0.25])

    clock.now += 4.0
    pace.on_step_end(None, state, None)
    # No new tokens: no rate. Nobody waited.
    assert "tokens_per_second" not in metrics and metrics.pop("waiting") == [0.0]

    trainer.get_batch_samples()  # 3 s
    clock.now += 3.0
    metrics["num_tokens"] = [340]
    pace.on_step_end(None, state, None)
    # 100 tokens in the 4 + 6 s since the last count; 3 of the last 6 s were waited.
    assert (metrics.pop("tokens_per_second"), metrics.pop("waiting")) == ([10.0], [0.5])


def test_tokens_of_before_a_checkpoint_are_not_counted_again() -> None:
    clock = Clock()
    metrics: defaultdict[str, list[Any]] = defaultdict(list)
    trainer = SimpleNamespace(get_batch_samples=lambda: None, _metrics={"train": metrics})
    pace = Pace(trainer, Waiting(clock), clock)
    state = SimpleNamespace(global_step=7)
    pace.on_train_begin(None, state, None)
    for now, tokens in ((10.0, 1000), (20.0, 1050)):
        clock.now = now
        metrics["num_tokens"] = [tokens]
        pace.on_step_end(None, state, None)
    assert metrics["tokens_per_second"] == [5.0]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_training_tells_its_pace_to_the_log_the_line_tensorboard_and_the_page(
    setup: Setup, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int, Any]] = []
    train(
        setup.data,
        str(setup.folder),
        tmp_path,
        CONFIG,
        figures=lambda *event: told.append((*event[:3], dict(event[3]))),
    )
    metrics = lines(tmp_path / "metrics.jsonl")
    assert [(m["phase"], m["step"]) for m in metrics] == [
        *(("sft", step) for step in (1, 2)),
        *(("grpo", step) for step in (1, 2, 3, 4)),
    ]
    for line in metrics:
        assert 0 < line["waiting"] < 1 or (line["phase"], line["step"] % 2) == ("grpo", 0)
    # With two iterations, every second step of GRPO trains on completions that were counted.
    rates = [line["step"] for line in metrics if "tokens_per_second" in line]
    assert rates == [1, 2, 1, 3]
    assert all(line.get("tokens_per_second", 1) > 0 for line in metrics)
    assert [event[:3] for event in told] == [
        ("cold start", 1, 2),
        ("cold start", 2, 2),
        *(("GRPO", step, 4) for step in (1, 2, 3, 4)),
    ]
    assert all(event[3]["waiting"] == m["waiting"] for event, m in zip(told, metrics, strict=True))
    (events,) = tmp_path.rglob("grpo/**/events.out.tfevents.*")
    board = event_accumulator.EventAccumulator(str(events.parent)).Reload()
    assert len(board.Scalars("train/waiting")) == 4
    assert len(board.Scalars("train/tokens_per_second")) == 2
    assert not list(tmp_path.rglob("checkpoint-*"))
    section = curves(tmp_path)
    assert section is not None
    for title in ("tokens per second", "waiting for data", "without reward variance"):
        assert title in section.body


def test_waiting_is_longer_where_encoding_is(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share is measured where samples are encoded: slow encoding is nearly all of a step."""
    import time

    from kuleshov.train.encode import Encoder

    encode = Encoder._encode

    def slow(self: Encoder, sample: Any) -> Any:
        time.sleep(1.5)
        return encode(self, sample)

    monkeypatch.setattr(Encoder, "_encode", slow)
    one = replace(
        CONFIG, sft=SFTSettings(), grpo=replace(CONFIG.grpo, steps=1, extra={"report_to": "none"})
    )
    train(setup.data, str(setup.folder), tmp_path, one)
    (line,) = lines(tmp_path / "metrics.jsonl")
    assert line["waiting"] > 0.5
    # 2 prompts x 2 completions were counted, over at least the 2 x 1.5 s that encoding took.
    assert line["tokens_per_second"] < line["num_tokens"] / 3.0


def test_report_to_reaches_the_trainers(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[dict[str, Any]] = []

    class Trackio(TrainerCallback):  # type: ignore[misc]
        def on_log(self, *args: Any, logs: dict[str, Any], **kwargs: Any) -> None:
            logged.append(dict(logs))

    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "trackio", Trackio)
    monkeypatch.setattr(reporters, "find_spec", lambda name: object())
    grpo = replace(CONFIG.grpo, steps=1, extra={})
    told = replace(CONFIG, report_to=["trackio"], sft=SFTSettings(steps=1, batch_size=2), grpo=grpo)
    train(setup.data, str(setup.folder), tmp_path / "trackio", told)
    assert [("reward" in logs, "waiting" in logs) for logs in logged[::2]] == [
        (False, True),
        (True, True),
    ]
    assert not list(tmp_path.rglob("events.out.tfevents.*"))


def test_who_is_not_known_is_refused_with_those_who_are() -> None:
    message = "unknown name in train.report_to 'wanbd'; did you mean 'wandb'"
    with pytest.raises(UsageError, match=f"{message}.* Known: tensorboard, trackio, wandb"):
        TrainConfig(report_to=["wanbd"])


def test_who_is_not_installed_is_named_before_a_model_is_loaded(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporters, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="has wandb, whose package is not installed; pip install"):
        train(setup.data, "nowhere", tmp_path, TrainConfig(report_to=["wandb"]))


def test_the_trainers_know_all_of_them() -> None:
    assert set(reporters.REPORTERS) <= set(integration_utils.INTEGRATION_TO_CALLBACK)
