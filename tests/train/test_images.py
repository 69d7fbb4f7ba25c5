"""Prompts that mix videos and images, from the recipe to the loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForImageTextToText

from kuleshov.dataset import load_samples
from kuleshov.errors import MissingVideoError, UsageError
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.runner import evaluate
from kuleshov.sample import Sample
from kuleshov.synthesize import MakeConfig, make
from kuleshov.train.encode import Encoded, batch, messages, vision_tokens
from kuleshov.train.grpo import row
from kuleshov.train.guard import guard
from kuleshov.train.sft import VideoCollator
from tests.train.conftest import FRAMES, Setup
from tests.train.test_grpo import Recorder, arguments, direct_logps, graded

MASKED = {
    "fps": 4.0,
    "num_frames": 10,
    "min_frames": 8,
    "max_similarity": 0.9999,
    "num_targets": 2,
    "num_distractors": 2,
    "stills": "image",
    **FRAMES,
}


@pytest.fixture(scope="module")
def pictures(short_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pictures")
    make(short_clips, out, MakeConfig(workers=0, tasks={"masked": MASKED}, held_out=0.4))
    return out


@pytest.fixture(scope="module")
def mixed(pictures: Path) -> list[Sample]:
    """Samples of a video and four images each, and one of image, video, image."""
    made = load_samples(pictures, "train")[:3]
    video, first, second, *_ = made[0].media
    between = replace(
        made[0],
        id="f" * 16,
        media=(first, video, second),
        prompt="First <image> then <video> and <image>.",
    )
    return [*made, between]


def encoded(setup: Setup, sample: Sample) -> Encoded:
    return setup.encoder(sample)


def test_messages_hold_a_part_for_each_placeholder(mixed: list[Sample]) -> None:
    parts = messages(mixed[-1])[0]["content"]
    kinds = " ".join(part["type"] for part in parts)
    assert kinds == "text image text video text image text"


def test_an_image_of_two_frames_is_refused(mixed: list[Sample]) -> None:
    wrong = replace(mixed[-1], media=mixed[-1].media[1:] + mixed[-1].media[:1])
    with pytest.raises(UsageError, match=r"an <image> has \d+ frames; allowed: 1"):
        messages(wrong)


def test_tokens_come_in_the_order_of_the_prompt(setup: Setup, mixed: list[Sample]) -> None:
    found = encoded(setup, mixed[-1])
    image, video = setup.token("image"), setup.token("video")
    if setup.tiled:
        text = setup.encoder.processor.decode(found.input_ids).replace("<IMG_CONTEXT>" * 4, "*")
        frames = len(mixed[-1].media[1].frames)
        # A line break after each comes with the family's template.
        assert "First <img>*</img>\n then Frame1: <img>*</img>\nFrame2: <img>*</img>" in text
        assert text.count("Frame") == frames and " and <img>*</img>\n." in text
        assert len(found.videos["pixel_values"]) == text.count("*") == 1 + frames + 1
        return
    assert found.token_types is not None
    assert ((found.token_types == 1) == (found.input_ids == image)).all()
    assert ((found.token_types == 2) == (found.input_ids == video)).all()
    runs = torch.unique_consecutive(found.token_types[found.token_types > 0]).tolist()
    assert runs == [1, 2, 1]
    height, width = mixed[-1].media[0].height // 14, mixed[-1].media[0].width // 14
    assert found.videos["image_grid_thw"].tolist() == [[1, height, width]] * 2
    assert found.videos["video_grid_thw"].tolist() == [
        [len(mixed[-1].media[1].frames) // 2, height, width]
    ]
    assert (found.input_ids == image).sum() == 2 * height * width // 4


def test_images_reach_the_model_unchanged_and_in_order(setup: Setup, mixed: list[Sample]) -> None:
    reader = setup.encoder.processor.image_processor
    mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (reader.image_mean, reader.image_std))
    for sample in mixed:
        found = encoded(setup, sample)
        if setup.tiled:
            tiles = found.videos["pixel_values"].transpose(0, 1) * std + mean
            shown = torch.from_numpy(np.concatenate(setup.encoder.render(sample)))
            assert torch.allclose(tiles * 255, shown.permute(3, 0, 1, 2).float(), atol=0.01)
            continue
        images = [pixels for pixels in setup.encoder.render(sample) if len(pixels) == 1]
        per_image = len(found.videos["pixel_values"]) // len(images)
        for i, pixels in enumerate(images):
            # The first patch is the top left 14 x 14 pixels, twice: channel, time, y, x.
            patch = found.videos["pixel_values"][i * per_image].view(3, 2, 14, 14) * std + mean
            corner = torch.from_numpy(pixels[:, :14, :14]).permute(3, 0, 1, 2).float()
            assert torch.allclose(patch * 255, corner.expand(-1, 2, -1, -1), atol=0.01)


def test_a_processor_that_wants_larger_images_does_not_get_them(
    setup: Setup, mixed: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = encoded(setup, mixed[0]).videos
    processor = setup.encoder.processor
    if setup.tiled:
        # As InternVL comes from the hub: larger images in several tiles.
        monkeypatch.setattr(processor.image_processor, "min_patches", 4)
        monkeypatch.setattr(processor.image_processor, "crop_to_patches", True)
    else:
        # As Qwen3-VL comes from the hub.
        size = {"shortest_edge": 65536, "longest_edge": 16777216}
        monkeypatch.setattr(processor.image_processor, "size", size)
        monkeypatch.setattr(processor.video_processor, "size", size)
        monkeypatch.setattr(processor.video_processor, "cap_pixels_per_frame", True)
    after = encoded(setup, mixed[0]).videos
    assert before.keys() == after.keys()
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_the_loss_depends_on_the_pixels_of_an_image(setup: Setup, mixed: list[Sample]) -> None:
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    collate = VideoCollator(setup.encoder)
    sample = mixed[0]
    context, first, *others = sample.media
    blind = replace(sample, media=(context, first.edited({"edit": "grey"}), *others))
    losses = []
    for one in (sample, blind):
        inputs = collate([row(one)])
        inputs["pixel_values"].requires_grad_()
        loss = model(**inputs).loss
        losses.append(loss.item())
    assert losses[0] != losses[1]
    loss.backward()
    grad = inputs["pixel_values"].grad
    assert grad is not None and all(part.abs().sum() > 0 for part in grad.chunk(4))


def test_a_batch_gives_what_each_prompt_gives_alone(setup: Setup, mixed: list[Sample]) -> None:
    # With images, without, and with the image before the video.
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    prompts = [encoded(setup, s) for s in (mixed[0], setup.samples[0], mixed[-1])]
    answers = [setup.encoder.answer_ids("1,2")] * 3
    with torch.no_grad():
        together = model(**batch(prompts, 0, answers)).logits[:, -5:]
        for prompt, got in zip(prompts, together, strict=True):
            alone = model(**batch([prompt], 0, answers[:1])).logits[0, -5:]
            assert torch.allclose(got, alone, atol=1e-4)


def test_the_guard_misses_images_too(setup: Setup, mixed: list[Sample]) -> None:
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    guard(model)
    inputs = batch([encoded(setup, mixed[0])], 0)
    model(**inputs)
    model.generate(
        **inputs, max_new_tokens=2, do_sample=False, suppress_tokens=vision_tokens(model.config)
    )
    tokens = int((inputs["input_ids"] == model.config.image_token_id).sum())
    blind = {k: v for k, v in inputs.items() if k not in ("pixel_values", "image_grid_thw")}
    with pytest.raises(MissingVideoError, match=f"{tokens} image tokens, but features for 0"):
        model(**blind)


def test_grpo_sees_the_images(setup: Setup, mixed: list[Sample], tmp_path: Path) -> None:
    train = Recorder(
        str(setup.folder),
        reward_funcs=[graded],
        args=arguments(setup, tmp_path, max_steps=1, learning_rate=0.0),
        train_dataset=Dataset.from_list([row(s) for s in [*mixed[:2], setup.samples[0]]]),
        processing_class=setup.encoder.processor,
        encoder=setup.encoder,
    )
    train.train()
    inputs: dict[str, Any] = train.seen
    train._prompts = inputs["encoded"]
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
    with torch.no_grad():
        got, _, _ = train._get_per_token_logps_and_entropies(
            train.model, ids, mask, inputs["completion_ids"].size(1)
        )
    for index in range(len(ids)):
        wanted = direct_logps(train.model, inputs, index)
        assert torch.allclose(got[index, : len(wanted)], wanted, atol=1e-5)


def test_a_model_is_asked_about_images(setup: Setup, pictures: Path, tmp_path: Path) -> None:
    config = EvalConfig(batch_size=4, max_completion_tokens=4, conditions=("full", "blind"))
    results = evaluate(str(setup.folder), pictures, tmp_path / "run", config)
    assert len(results) == 2 * len(load_samples(pictures, config.split))
    assert {result.num_frames for result in results} <= {8 - 2 + 4, 10 - 2 + 4}
