from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from kuleshov.train.config import (
    DPOSettings,
    GRPOSettings,
    LoRASettings,
    SFTSettings,
    TrainConfig,
)
from kuleshov.train.pipeline import train
from tests.train.conftest import Setup


@pytest.mark.parametrize("rank", [0, 2], ids=["all weights", "adapters"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_models_are_saved_in_the_precision_of_the_base(
    setup: Setup, tmp_path: Path, dtype: torch.dtype, rank: int
) -> None:
    base = tmp_path / "base"
    AutoModelForImageTextToText.from_pretrained(setup.folder, dtype=dtype).save_pretrained(base)
    setup.encoder.processor.save_pretrained(base)
    config = TrainConfig(
        lora=LoRASettings(rank=rank),
        freeze_vision=True,
        sft=SFTSettings(steps=2, batch_size=2, learning_rate=1e-2),
        dpo=DPOSettings(steps=1, batch_size=2, learning_rate=1e-2),
        grpo=GRPOSettings(steps=1, prompts_per_step=2, group_size=2, max_completion_tokens=4),
    )
    train(setup.data, str(base), tmp_path / "run", config)
    before = load_file(base / "model.safetensors")
    for folder in ("sft/model", "dpo/model", "model"):
        saved = tmp_path / "run" / folder
        after = load_file(saved / "model.safetensors")
        assert after.keys() == before.keys()
        assert {tensor.dtype for tensor in after.values()} == {dtype}
        assert [file.name for file in saved.glob("*.safetensors*")] == ["model.safetensors"]
        named = str(dtype).removeprefix("torch.")
        assert json.loads((saved / "config.json").read_text())["dtype"] == named
        # What was not trained is what it was, to the bit; what was trained is not.
        changed = {key for key in before if not torch.equal(before[key], after[key])}
        assert changed and not any("visual" in key or "vision" in key for key in changed)
        loaded = AutoModelForImageTextToText.from_pretrained(saved, dtype="auto")
        assert loaded.dtype == dtype
