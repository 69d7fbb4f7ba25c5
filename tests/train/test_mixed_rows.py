"""Rows with several videos, videos and images, images alone, and text alone, in one batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForImageTextToText, GenerationConfig

from kuleshov.sample import Sample
from kuleshov.train.encode import batch, vision_tokens
from kuleshov.train.grpo import VideoGRPOTrainer, row
from kuleshov.train.rollout import generate
from tests.train.conftest import Setup
from tests.train.test_grpo import arguments, direct_logps
from tests.train.test_objectives_train import by_content


def mixed(varied: Setup) -> list[Sample]:
    """Two of each: three videos, a video and four images, two images, no media."""
    of = {
        task: [sample for sample in varied.samples if sample.task == task][:2]
        for task in ("jigsaw", "masked", "text_order")
    }
    pictures = [
        replace(s, id=s.id[::-1], media=s.media[1:3], prompt="Is <image> before <image>?")
        for s in of["masked"]
    ]
    return [*of["jigsaw"], *of["text_order"], *pictures, *of["masked"]]


class Recorder(VideoGRPOTrainer):
    """Keeps what each loss was computed from, and the policy's log-probabilities."""

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        if not hasattr(self, "seen"):
            self.seen: list[tuple[dict[str, Any], torch.Tensor]] = []
        self._prompts = inputs["encoded"]
        with torch.no_grad():
            logps, _, _ = self._get_per_token_logps_and_entropies(
                model,
                torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
                torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
                inputs["completion_ids"].size(1),
            )
        self.seen.append((inputs, logps))
        return super()._compute_loss(model, inputs)


def trainer(setup: Setup, samples: list[Sample], out: Path, **changes: Any) -> Recorder:
    share = changes.pop("share_prompts", True)
    settings = {"optim": "sgd", "learning_rate": 0.3, "lr_scheduler_type": "constant", **changes}
    train = Recorder(
        str(setup.folder),
        reward_funcs=[by_content],
        args=arguments(setup, out, **settings),
        train_dataset=Dataset.from_list([row(sample) for sample in samples]),
        processing_class=setup.encoder.processor,
        encoder=setup.encoder,
        share_prompts=share,
    )
    if train.ref_model is not None:
        # Another model than the policy from the start, so that the two cannot be mixed up.
        with torch.no_grad():
            for value in train.ref_model.parameters():
                value.mul_(0.9)
    return train


@pytest.mark.parametrize("share", [True, False], ids=["shared", "repeated"])
def test_all_log_probabilities_are_those_of_each_row_alone(
    varied: Setup, tmp_path: Path, share: bool
) -> None:
    train = trainer(
        varied,
        mixed(varied),
        tmp_path,
        share_prompts=share,
        learning_rate=0.0,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=2,
        num_iterations=2,
        beta=0.1,
        max_steps=1,
    )
    train.train()
    kinds = set()
    for inputs, policy in train.seen:
        for index, prompt in enumerate(inputs["encoded"]):
            kinds.add(tuple(sorted(key for key in prompt.videos if key.startswith("pixel"))))
            wanted = direct_logps(train.model, inputs, index)
            reference = direct_logps(train.ref_model, inputs, index)
            assert (wanted - reference).abs().max() > 1e-2
            here = slice(0, len(wanted))
            assert torch.allclose(policy[index, here], wanted, atol=1e-5)
            assert torch.allclose(inputs["old_per_token_logps"][index, here], wanted, atol=1e-5)
            ref = inputs["ref_per_token_logps"][index, here]
            assert torch.allclose(ref, reference, atol=1e-5)
    images, videos = varied.pixels("image"), varied.pixels("video")
    both = tuple(sorted({images, videos}))  # one name for both in some families
    assert kinds == {(), (images,), (videos,), both}


def test_training_is_the_same_with_prompts_shared_and_repeated(
    varied: Setup, tmp_path: Path
) -> None:
    # Two windows of two iterations of two micro-batches, each with rows of all kinds.
    ends = []
    for share in (True, False):
        train = trainer(
            varied,
            mixed(varied),
            tmp_path / str(share),
            share_prompts=share,
            per_device_train_batch_size=8,
            gradient_accumulation_steps=2,
            num_iterations=2,
            beta=0.1,
            max_steps=3,
        )
        before = torch.cat([value.detach().flatten() for value in train.model.parameters()])
        train.train()
        after = torch.cat([value.detach().flatten() for value in train.model.parameters()])
        ends.append(([log["loss"] for log in train.state.log_history[:-1]], before, after))
    (losses, before, shared), (wanted, _, repeated) = ends
    assert losses == pytest.approx(wanted, abs=1e-5)
    assert (shared - before).abs().max() > 1e-3
    assert (shared - repeated).abs().max() < 1e-4


@pytest.mark.parametrize("share", [True, False], ids=["shared", "repeated"])
@pytest.mark.parametrize("kind", ["text", "images"])
def test_a_batch_of_one_kind_trains(varied: Setup, tmp_path: Path, kind: str, share: bool) -> None:
    samples = mixed(varied)[2:4] if kind == "text" else mixed(varied)[4:6]
    settings = {"beta": 0.1, "max_steps": 1, "learning_rate": 0.0}
    train = trainer(varied, samples, tmp_path, share_prompts=share, **settings)
    train.train()
    for inputs, policy in train.seen:
        for index in range(len(policy)):
            wanted = direct_logps(train.model, inputs, index)
            assert torch.allclose(policy[index, : len(wanted)], wanted, atol=1e-5)
    assert train.state.log_history[0]["grad_norm"] > 0


def test_rollouts_of_mixed_prompts_are_those_of_each_alone(varied: Setup) -> None:
    model = AutoModelForImageTextToText.from_pretrained(varied.folder).eval()
    settings = GenerationConfig(
        max_new_tokens=6,
        do_sample=False,
        suppress_tokens=vision_tokens(model.config),
        eos_token_id=-1,
        pad_token_id=0,
    )
    prompts = [varied.encoder(sample) for sample in mixed(varied)]
    rows = [index for index in range(len(prompts)) for _ in range(2)]
    together = generate(model, prompts, rows, 0, settings)
    for index, written in zip(rows, together, strict=True):
        inputs = batch([prompts[index]], 0)
        alone = model.generate(**inputs, generation_config=settings)
        assert written.tolist() == alone[0, inputs["input_ids"].size(1) :].tolist()
