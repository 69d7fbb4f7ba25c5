from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, GenerationConfig

from benchmarks.any_model import build
from kuleshov.train.encode import Encoder, batch, vision_tokens
from kuleshov.train.model import load_model
from kuleshov.train.rollout import generate
from tests.train.conftest import OPINIONATED, Setup


@pytest.mark.parametrize("sampling", [{"do_sample": False}, {"do_sample": True, "top_k": 50}])
def test_shared_prompts_give_the_completions_of_repeated_ones(
    setup: Setup, sampling: dict[str, Any]
) -> None:
    model = AutoModelForImageTextToText.from_pretrained(setup.folder).eval()
    pad = setup.encoder.processor.tokenizer.pad_token_id
    settings = GenerationConfig(
        max_new_tokens=12,
        pad_token_id=pad,
        eos_token_id=setup.encoder.processor.tokenizer.eos_token_id,
        suppress_tokens=vision_tokens(model.config),
        **sampling,
    )
    prompts = [setup.encoder(sample) for sample in setup.samples]
    assert len({len(prompt.input_ids) for prompt in prompts}) > 1
    rows = [0, 0, 1, 2, 2, 2, *range(3, len(prompts))]  # a process may hold a part of a group
    torch.manual_seed(3)
    got = generate(model, prompts, rows, pad, settings)
    inputs = batch([prompts[row] for row in rows], pad)
    torch.manual_seed(3)
    wanted = model.generate(**inputs, generation_config=settings)[:, inputs["input_ids"].size(1) :]
    assert torch.equal(got, wanted)
    assert len({tuple(ids) for ids in got.tolist()}) >= 3


@pytest.mark.parametrize("sampling", [{"do_sample": False}, {"do_sample": True, "top_k": 0}])
def test_settings_of_the_checkpoint_are_off_in_rollouts(
    setup: Setup, sampling: dict[str, Any]
) -> None:
    model = AutoModelForImageTextToText.from_pretrained(setup.folder).eval()
    pad = setup.encoder.processor.tokenizer.pad_token_id
    settings = GenerationConfig(max_new_tokens=12, pad_token_id=pad, **sampling)
    prompts = [setup.encoder(sample) for sample in setup.samples[:2]]
    torch.manual_seed(3)
    wanted = generate(model, prompts, [0, 0, 1, 1], pad, settings)
    own = GenerationConfig(eos_token_id=model.generation_config.eos_token_id, **OPINIONATED)
    model.generation_config = own
    torch.manual_seed(3)
    assert torch.equal(generate(model, prompts, [0, 0, 1, 1], pad, settings), wanted)
    assert model.generation_config is own  # and is saved with the model
    # Which it would not be if they were in force.
    inputs = batch([prompts[row] for row in (0, 0, 1, 1)], pad)
    torch.manual_seed(3)
    other = model.generate(**inputs, generation_config=settings)[:, inputs["input_ids"].size(1) :]
    assert other.shape != wanted.shape or not torch.equal(other, wanted)


def test_a_model_that_drops_positions_counts_from_its_beginning(
    tmp_path: Path, setup: Setup
) -> None:
    if setup.family != "internvl":
        pytest.skip("has times, rows and columns, which are not counted")
    build(tmp_path, "hyperclovax_vision_v2", [sample.prompt for sample in setup.samples])
    model, processor = load_model(str(tmp_path))
    encode = Encoder(processor, setup.encoder.render)
    prompts = sorted((encode(s) for s in setup.samples[:3]), key=lambda p: len(p.input_ids))
    assert len(prompts[0].input_ids) < len(prompts[-1].input_ids)
    settings = GenerationConfig(max_new_tokens=6, pad_token_id=0, do_sample=False)
    got = generate(model.eval(), prompts, range(3), 0, settings)
    for prompt, written in zip(prompts, got, strict=True):
        inputs = batch([prompt], 0)
        alone = model.generate(**inputs, generation_config=settings)
        own = alone[0, inputs["input_ids"].size(1) :]
        assert torch.equal(written[: len(own)], own)
