from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kuleshov.errors import IdleError, UsageError
from kuleshov.train import follow
from kuleshov.train.config import GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.idle import Idle, signs
from kuleshov.train.pipeline import train
from tests.train.conftest import Setup
from tests.train.test_objectives_train import by_content

GRPO = GRPOSettings(steps=3, prompts_per_step=2, group_size=2, max_completion_tokens=4)
SILENT = {"parse_failures": 1.0, "frac_reward_zero_std": 1.0, "grad_norm": 0.0}
GOOD = {"parse_failures": 0.5, "frac_reward_zero_std": 0.25, "grad_norm": 0.1}


def keys(*logs: dict[str, float]) -> list[str]:
    return [sign.key for sign in signs(logs)]


def test_a_sign_is_one_if_all_steps_have_it() -> None:
    assert keys(SILENT, SILENT) == ["parse_failures", "frac_reward_zero_std", "grad_norm"]
    assert keys(SILENT, GOOD) == keys(GOOD, SILENT) == keys(GOOD) == keys() == []
    assert keys({**GOOD, "grad_norm": 0.0}) == ["grad_norm"]
    assert keys({**SILENT, "parse_failures": 0.99}) == ["frac_reward_zero_std", "grad_norm"]
    # Steps on rollouts of earlier ones log no rewards, and a cold start none at all.
    assert keys({"parse_failures": 1.0}, {"grad_norm": 0.1}) == ["parse_failures"]


def told(idle: Idle, logs: list[dict[str, float]], each: int = 1) -> None:
    """A training whose trainer logs each so many steps."""
    state = SimpleNamespace(log_history=[], is_world_process_zero=True, global_step=0)
    for log in logs:
        state.global_step += each
        state.log_history.append(log)
        idle.on_log(None, state, None, log)
    idle.on_train_end(None, state, None)


def test_it_is_said_at_the_tenth_step_and_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    told(Idle("GRPO", 0), [SILENT] * 25)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2 and "in all of 10 steps" in said[0] and "in all of 25 steps" in said[1]
    assert "no completion held an answer" in said[0] and "the gradient was 0" in said[0]
    caplog.clear()
    told(Idle("GRPO", 0), [*[SILENT] * 24, GOOD])
    assert len(caplog.records) == 1  # at the tenth it was so
    caplog.clear()
    told(Idle("GRPO", 0), [GOOD] * 25)
    assert not caplog.records
    # Whatever the steps at which something is logged, and once where both are one.
    for number, each, steps in ((3, 7, [14, 21]), (1, 3, [3]), (10, 1, [10])):
        caplog.clear()
        told(Idle("GRPO", 0), [SILENT] * number, each)
        said = [record.getMessage() for record in caplog.records]
        assert all(f"of {step} steps" in text for step, text in zip(steps, said, strict=True))


def test_a_knob_stops_it() -> None:
    with pytest.raises(IdleError, match=r"in all of 5 steps .*train\.idle_steps is 5"):
        told(Idle("GRPO", 5), [SILENT] * 25)
    told(Idle("GRPO", 5), [GOOD, *[SILENT] * 24])
    with pytest.raises(UsageError, match="idle_steps is -1; allowed: 0 or more"):
        TrainConfig(idle_steps=-1)


def test_a_model_that_gives_no_answers_is_told_of_in_the_log_and_the_card(
    setup: Setup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = train(setup.data, str(setup.folder), tmp_path, TrainConfig(grpo=GRPO))
    assert "GRPO has learned nothing so far: in all of 3 steps no completion held" in caplog.text
    card = (model / "README.md").read_text()
    line = "**Nothing was learned (GRPO):** in all of the 3 logged steps no completion held an ans"
    assert line in card and "the rewards of no group differed" in card


def test_it_stops_without_a_model(setup: Setup, tmp_path: Path) -> None:
    with pytest.raises(IdleError, match="in all of 2 steps no completion held an answer"):
        train(setup.data, str(setup.folder), tmp_path, TrainConfig(grpo=GRPO, idle_steps=2))
    assert not (tmp_path / "model").exists()


def test_training_that_teaches_is_not_told_of(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def answered(*args: Any, log_metric: Any = None, **columns: Any) -> list[float]:
        log_metric("parse_failures", 0.0)
        rewards: list[float] = by_content(*args, **columns)
        return rewards

    monkeypatch.setattr(follow, "pretext_reward", answered)
    config = TrainConfig(
        idle_steps=1,
        sft=SFTSettings(steps=2, batch_size=2),
        grpo=replace(GRPO, learning_rate=1e-3, prompts_per_step=4, group_size=4),
    )
    model = train(setup.data, str(setup.folder), tmp_path, config)
    assert "learned nothing" not in caplog.text
    assert "Nothing was learned" not in (model / "README.md").read_text()


def test_a_cold_start_that_moves_nothing_is_told_of(
    setup: Setup, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kuleshov.train import sft

    whole = sft.VideoCollator.__call__

    def unlabelled(self: Any, rows: Any) -> Any:
        inputs = whole(self, rows)
        inputs["labels"] = inputs["labels"] * 0 - 100  # nothing to learn from
        return inputs

    monkeypatch.setattr(sft.VideoCollator, "__call__", unlabelled)
    config = TrainConfig(sft=SFTSettings(steps=1, batch_size=2), grpo=replace(GRPO, steps=0))
    model = train(setup.data, str(setup.folder), tmp_path, config)
    assert "cold start has learned nothing so far: in all of one step the gradient" in caplog.text
    assert "Nothing was learned (cold start)" in (model / "README.md").read_text()
