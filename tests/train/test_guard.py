from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText

from kuleshov.errors import MissingVideoError
from kuleshov.train.encode import batch, vision_tokens
from kuleshov.train.guard import guard
from tests.train.conftest import Setup


@pytest.fixture
def guarded(setup: Setup) -> tuple[Any, dict[str, torch.Tensor]]:
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    guard(model)
    encoded = [setup.encoder(sample) for sample in setup.samples[:2]]
    return model, batch(encoded, setup.encoder.processor.tokenizer.pad_token_id)


def without_video(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    kept = ("input_ids", "attention_mask", "mm_token_type_ids")
    return {key: inputs[key] for key in kept if key in inputs}


def test_a_forward_with_its_video_passes(guarded: tuple[Any, dict[str, torch.Tensor]]) -> None:
    model, inputs = guarded
    assert model(**inputs).logits.shape[:2] == inputs["input_ids"].shape


def test_generation_with_its_video_passes(guarded: tuple[Any, dict[str, torch.Tensor]]) -> None:
    model, inputs = guarded
    output = model.generate(
        **inputs, max_new_tokens=3, do_sample=False, suppress_tokens=vision_tokens(model.config)
    )
    assert output.shape[1] == inputs["input_ids"].shape[1] + 3


def test_a_forward_without_its_video_raises(
    setup: Setup, guarded: tuple[Any, dict[str, torch.Tensor]]
) -> None:
    model, inputs = guarded
    medium = "image" if setup.tiled else "video"
    tokens = int((inputs["input_ids"] == setup.token("video")).sum())
    with pytest.raises(MissingVideoError, match=f"{tokens} {medium} tokens, but features for 0"):
        model(**without_video(inputs))


def test_features_of_other_videos_raise(
    setup: Setup, guarded: tuple[Any, dict[str, torch.Tensor]]
) -> None:
    model, inputs = guarded
    if setup.tiled:
        left, fewer = 3 * 4, {**inputs, "pixel_values": inputs["pixel_values"][:3]}
    else:
        rows = int(inputs["video_grid_thw"][0].prod())
        left = rows // 4
        fewer = {
            **inputs,
            "pixel_values_videos": inputs["pixel_values_videos"][:rows],
            "video_grid_thw": inputs["video_grid_thw"][:1],
        }
    with pytest.raises(MissingVideoError, match=f"features for {left} reach the model"):
        model(**fewer)


def test_text_alone_passes(guarded: tuple[Any, dict[str, torch.Tensor]]) -> None:
    model, _ = guarded
    model(input_ids=torch.tensor([[300, 301, 302]]))


def test_the_guard_can_be_taken_off(setup: Setup) -> None:
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    guard(model).remove()
    model(input_ids=torch.tensor([[setup.token("video")]]))
