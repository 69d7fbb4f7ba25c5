from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForImageTextToText

from kuleshov.evaluate.backends.backend import Request
from kuleshov.evaluate.backends.transformers import Transformers
from kuleshov.evaluate.config import EvalConfig
from kuleshov.media import Renderer
from kuleshov.train.config import GRPOSettings, LoRASettings, SFTSettings, TrainConfig
from kuleshov.train.model import load_model
from kuleshov.train.pipeline import train
from tests.train.conftest import Setup, _setup
from tests.train.hybrids import build

COLD = TrainConfig(report_to=[], sft=SFTSettings(steps=1, batch_size=2), grpo=GRPOSettings(steps=0))


@pytest.fixture(scope="module")
def setup(data: Path, short_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Setup:
    return _setup("qwen3_vl", data, short_clips, tmp_path_factory.mktemp("qwen3_vl"))


@pytest.mark.parametrize("name", ["qwen3_vl_moe", "qwen3_5_moe", "internvl_gpt_oss"])
def test_experts_answer_after_a_cold_start(
    setup: Setup,
    short_clips: Path,
    tmp_path: Path,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    build(tmp_path / "model", [sample.prompt for sample in setup.samples], name)
    logged: list[float] = []
    trained = train(
        setup.data,
        str(tmp_path / "model"),
        tmp_path / "run",
        COLD,
        figures=lambda *told: logged.append(told[3].get("aux_loss", 0.0)),
    )
    balanced = name != "internvl_gpt_oss"
    assert any(logged) == balanced
    assert ("experts are trained without the load-balancing loss" in caplog.text) != balanced
    told = json.loads((trained / "config.json").read_text())["text_config"]
    assert not told.get("output_router_logits")
    # As anyone loads it, and here.
    assert not AutoModelForImageTextToText.from_pretrained(
        trained
    ).config.text_config.output_router_logits
    frames = Renderer(short_clips)
    asked = [Request(sample, frames(sample)) for sample in setup.samples[:2]]
    replies = list(Transformers(str(trained), EvalConfig(max_completion_tokens=3)).ask(asked))
    assert len(replies) == 2


def test_a_model_that_was_saved_with_the_setting_is_loaded_without(
    setup: Setup, tmp_path: Path
) -> None:
    model, _ = build(tmp_path, [sample.prompt for sample in setup.samples], "qwen3_vl_moe")
    model.config.text_config.output_router_logits = True
    model.config.save_pretrained(tmp_path)
    loaded, _ = load_model(str(tmp_path))
    assert loaded.config.text_config.output_router_logits is False


def test_experts_get_adapters_by_their_names(
    setup: Setup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build(tmp_path / "model", [sample.prompt for sample in setup.samples], "qwen3_vl_moe")
    before = AutoModelForImageTextToText.from_pretrained(tmp_path / "model").state_dict()
    experts = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
    for named, parameters in {"without": [], "with": experts}.items():
        caplog.clear()
        config = TrainConfig(
            report_to=[],
            lora=LoRASettings(rank=2, target_parameters=parameters),
            sft=SFTSettings(steps=2, batch_size=2, learning_rate=0.1),
            grpo=GRPOSettings(steps=0),
        )
        trained = train(setup.data, str(tmp_path / "model"), tmp_path / named, config)
        after = AutoModelForImageTextToText.from_pretrained(trained).state_dict()
        changed = {name for name in before if not before[name].equal(after[name])}
        assert any("q_proj" in name for name in changed)
        assert any("experts" in name for name in changed) == bool(parameters)
        assert ("mlp.experts.down_proj" in caplog.text) == (not parameters)
        assert "adapters are not on " in caplog.text  # the router has none in either case
