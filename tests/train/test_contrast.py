from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kuleshov.errors import UsageError
from kuleshov.recipe import build, load
from kuleshov.sample import Sample
from kuleshov.train import phases
from kuleshov.train.config import SFTSettings, TrainConfig
from kuleshov.train.contrast import Contrast
from kuleshov.train.contrastive import Losses
from kuleshov.train.pipeline import train
from kuleshov.train.preference import degraded
from kuleshov.train.sft import VideoSFTTrainer
from tests.train.conftest import Setup


def test_a_learning_rate_of_its_own_is_a_step_of_its_own() -> None:
    # Plain gradient descent with rate 0.2: 0.2 * 0.1 * (0.05 / 0.2) = 0.05 * 0.1
    assert Contrast(weight=0.1, learning_rate=0.05).factor(0.2) == pytest.approx(0.1 * 0.05 / 0.2)
    assert Contrast(weight=0.1).factor(0.2) == pytest.approx(0.1)
    assert Contrast().factor(0.2) == 0.0


def test_a_recipe_without_a_weight_has_no_contrastive_losses() -> None:
    config = build(TrainConfig, {"sft": {"contrast": {"blocks": [8, 9]}}}, "train")
    assert config.sft.contrast == Contrast(weight=0.0, blocks=(8, 9))
    set_ = load(None, "train", TrainConfig, {}, sets=["sft.contrast.weight=0.1"])
    assert set_.sft.contrast == Contrast(weight=0.1, degraded="key_frames", blocks=(16,))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"weight": -1}, "weight is -1; allowed: 0 or more"),
        ({"blocks": ()}, "blocks is .*; allowed: numbers from 1"),
        ({"blocks": (0,)}, "blocks is .*; allowed: numbers from 1"),
        ({"temperature": 0}, "temperature is 0; allowed: above 0"),
        ({"dropout": 1}, "dropout is 1; allowed: 0 to below 1"),
        ({"layout": "mixed"}, "layout is mixed; allowed: separate, concatenated"),
        ({"degraded": "key_frame"}, "contrast.degraded 'key_frame'; did you mean 'key_frames'"),
        ({"learning_rate": 0}, "learning_rate is 0; allowed: above 0"),
    ],
)
def test_mistakes_are_answered_with_what_is_allowed(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(Contrast(), **knobs)


# In the pipeline.


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def config(**contrast: Any) -> TrainConfig:
    knobs = Contrast(**{"weight": 0.1, "blocks": (2,), **contrast})
    sft = SFTSettings(steps=4, batch_size=4, learning_rate=1e-3, contrast=knobs)
    grpo = replace(TrainConfig().grpo, steps=0)
    return TrainConfig(checkpoint_steps=2, sft=sft, grpo=grpo, report_to=[])


@pytest.mark.parametrize("varied", ["qwen2_5_vl"], indirect=True)
def test_a_cold_start_logs_them_and_goes_on_where_it_was_stopped(
    varied: Setup, tmp_path: Path
) -> None:
    """Some samples have no degraded video, such as those without video; all of the first step."""

    class Stop(Exception):
        pass

    def stop_at_three(what: str, done: int, total: int) -> None:
        if done == 3:
            raise Stop

    given = varied.data, str(varied.folder)
    train(*given, tmp_path / "whole", config())
    with pytest.raises(Stop):
        train(*given, tmp_path / "parts", config(), stop_at_three)
    train(*given, tmp_path / "parts", config())
    whole, parts = metrics(tmp_path / "whole"), metrics(tmp_path / "parts")
    assert [line["step"] for line in parts] == [1, 2, 3, 4]
    assert all({f"contrastive/{name}" for name in Losses._fields} <= set(line) for line in whole)
    for line, other in zip(whole, parts, strict=True):
        of_losses = {key: value for key, value in line.items() if "contrastive" in key}
        assert {key: other[key] for key in of_losses} == pytest.approx(of_losses, abs=1e-5)
        assert line["loss"] == pytest.approx(other["loss"], abs=1e-5)
    assert [line["contrastive/text_video"] > 0 for line in whole] == [False, True, True, True]
    assert ["contrastive/alignment" in line for line in whole] == [False, True, True, True]
    without = json.loads((tmp_path / "whole" / "sft" / "no_pair.json").read_text())
    assert sorted(without) == sorted(
        sample.id for sample in varied.samples if degraded(sample, "key_frames") is None
    )
    assert {sample.id for sample in varied.samples if not sample.media} < set(without)


@pytest.mark.parametrize("varied", ["qwen2_5_vl"], indirect=True)
def test_without_weight_the_trainer_is_that_of_sft(
    varied: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[type] = []
    real = VideoSFTTrainer.__init__

    def noted(self: VideoSFTTrainer, *args: Any, **kwargs: Any) -> None:
        made.append(type(self))
        real(self, *args, **kwargs)

    monkeypatch.setattr(VideoSFTTrainer, "__init__", noted)
    train(varied.data, str(varied.folder), tmp_path, config(weight=0.0))
    assert made == [VideoSFTTrainer]
    assert not any(key.startswith("contrastive/") for line in metrics(tmp_path) for key in line)
    assert not (tmp_path / "sft" / "no_pair.json").exists()


@pytest.mark.parametrize("varied", ["qwen2_5_vl"], indirect=True)
def test_samples_none_of_which_has_a_degraded_video_are_refused(
    varied: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(sample: Sample, source: str) -> None:
        return None

    monkeypatch.setattr(phases, "degraded", none)
    with pytest.raises(UsageError, match=r"none of 9 samples has a degraded video .*: key_frames"):
        train(varied.data, str(varied.folder), tmp_path, config())
