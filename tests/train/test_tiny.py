from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from kuleshov.errors import UsageError
from kuleshov.train import tiny
from tests.train.conftest import Setup


def test_a_tiny_model_loads_as_any_other(setup: Setup) -> None:
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    processor = AutoProcessor.from_pretrained(setup.folder)
    assert model.config.model_type == setup.family
    assert sum(p.numel() for p in model.parameters()) < 2_000_000
    assert type(processor) is type(setup.encoder.processor)


def test_the_same_seed_gives_the_same_model(setup: Setup, tmp_path: Path) -> None:
    texts = ["a video", "another"]
    first, second = (
        tiny.build(tmp_path / str(i), texts, setup.family, seed=3)[0].state_dict() for i in (0, 1)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    names = [sorted(p.name for p in (tmp_path / str(i)).iterdir()) for i in (0, 1)]
    assert names[0] == names[1]


def test_fixed_sentences_cost_few_tokens(setup: Setup) -> None:
    prompt = setup.samples[0].prompt
    tokens = setup.encoder.processor.tokenizer(prompt)["input_ids"]
    assert len(tokens) < len(prompt) / 4


def test_an_unknown_family_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="unknown model family 'llava'; Known: internvl, qwen2_5_vl, qwen3_vl"
    ):
        tiny.build(tmp_path, [], "llava")
