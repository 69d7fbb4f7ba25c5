"""Adapters in all phases, from the recipe to a model that loads without them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import AutoModelForImageTextToText

from kuleshov.train.config import (
    DPOSettings,
    GRPOSettings,
    LoRASettings,
    SFTSettings,
    TrainConfig,
)
from kuleshov.train.encode import batch
from kuleshov.train.grpo import row
from kuleshov.train.pipeline import train
from tests.train.conftest import Setup
from tests.train.test_grpo import Recorder, arguments, direct_logps, graded

CONFIG = TrainConfig(
    lora=LoRASettings(rank=4, alpha=32),
    sft=SFTSettings(steps=2, batch_size=2, learning_rate=1e-2),
    dpo=DPOSettings(steps=2, batch_size=2, learning_rate=1e-2),
    grpo=GRPOSettings(steps=1, prompts_per_step=2, group_size=2, max_completion_tokens=6, beta=0.1),
)


def load(folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder)


def test_each_phase_leaves_whole_weights_and_its_adapters(setup: Setup, tmp_path: Path) -> None:
    trained = train(setup.data, str(setup.folder), tmp_path, CONFIG)
    inputs = batch([setup.encoder(sample) for sample in setup.samples[:2]], 0)
    start = setup.folder
    for phase, model in (
        ("sft", tmp_path / "sft" / "model"),
        ("dpo", tmp_path / "dpo" / "model"),
        ("grpo", trained),
    ):
        assert not list(model.glob("adapter*"))
        adapted = PeftModel.from_pretrained(load(start), tmp_path / phase / "adapter")
        with torch.no_grad():
            merged, wanted = load(model)(**inputs).logits, adapted(**inputs).logits
            assert torch.allclose(merged, wanted, atol=1e-4)
            if phase != "grpo":  # noise earns nothing, so that GRPO may not move
                assert not torch.allclose(merged, load(start)(**inputs).logits, atol=1e-3)
        # What has no adapters stays as it was, to the bit.
        before, after = load(start).state_dict(), load(model).state_dict()
        changed = {key for key in before if not torch.equal(before[key], after[key])}
        assert all("language_model.layers" in key and "_proj" in key for key in changed)
        start = model
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    phases = [json.loads(line)["phase"] for line in lines]
    assert phases == ["sft", "sft", "dpo", "dpo", "grpo"]


def test_an_interrupted_run_ends_in_the_weights_of_a_whole_one(
    setup: Setup, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop_at_three(what: str, done: int, total: int) -> None:
        if done == 3:
            raise Stop

    config = replace(
        CONFIG,
        checkpoint_steps=2,
        sft=SFTSettings(),
        dpo=replace(CONFIG.dpo, steps=4),
        grpo=GRPOSettings(steps=0),
    )
    with pytest.raises(Stop):
        train(setup.data, str(setup.folder), tmp_path / "a", config, stop_at_three)
    weights = [
        load(train(setup.data, str(setup.folder), tmp_path / name, config)).state_dict()
        for name in ("a", "b")
    ]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.parametrize("share", [True, False], ids=["shared", "apart"])
def test_the_reference_of_grpo_is_the_model_without_its_adapters(
    setup: Setup, tmp_path: Path, share: bool
) -> None:
    settings = CONFIG.lora
    trainer = Recorder(
        str(setup.folder),
        reward_funcs=[graded],
        # Two iterations over the same rollouts keep the old log-probabilities.
        args=arguments(setup, tmp_path, beta=0.1, max_steps=1, learning_rate=0.0, num_iterations=2),
        train_dataset=Dataset.from_list([row(sample) for sample in setup.samples]),
        processing_class=setup.encoder.processor,
        encoder=setup.encoder,
        share_prompts=share,
        # Adapters start as nothing, and what is nothing hides mistakes.
        peft_config=LoraConfig(r=4, target_modules=settings.targets, init_lora_weights=False),
    )
    assert trainer.ref_model is None
    trainer.train()
    plain, inputs = load(setup.folder), trainer.seen
    trainer.model.eval()
    apart = 0.0
    for index in range(len(inputs["completion_ids"])):
        reference = direct_logps(plain, inputs, index)
        policy = direct_logps(trainer.model, inputs, index)
        apart = max(apart, float((reference - policy).abs().max()))
        for key, wanted in (("ref_per_token_logps", reference), ("old_per_token_logps", policy)):
            got = inputs[key][index, : len(wanted)]
            assert torch.allclose(got, wanted, atol=1e-5), key
    assert apart > 1e-2
    assert trainer.state.log_history[0]["kl"] > 0
