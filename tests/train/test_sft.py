from __future__ import annotations

import inspect
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForImageTextToText
from trl import SFTConfig, SFTTrainer

from kuleshov.errors import MissingVideoError, UsageError
from kuleshov.sample import Sample
from kuleshov.tasks import score, task_of
from kuleshov.train.encode import batch
from kuleshov.train.grpo import row
from kuleshov.train.sft import VideoCollator, VideoSFTTrainer, block_output
from tests.train.conftest import Setup


def kinds(samples: list[Sample]) -> list[Sample]:
    """Three videos, one, image and video and image, images only, and text only."""
    three = next(sample for sample in samples if sample.task == "jigsaw")
    one = next(sample for sample in samples if sample.task == "anomaly")
    (video,) = one.media
    first, second = (replace(video, frames=(frame,), edits=()) for frame in video.frames[:2])

    def variant(prompt: str, *media: Any) -> Sample:
        return replace(one, id=f"{len(prompt):016x}", prompt=prompt, media=media)

    return [
        three,
        one,
        variant("When: <image> <video> <image>", first, video, second),
        variant("When, from <image> to <image>?", first, second),
        variant("When do you think? Guess."),
    ]


def arguments(out: Path, **changes: Any) -> SFTConfig:
    values: dict[str, Any] = {
        "per_device_train_batch_size": 2,
        "max_steps": 1,
        "learning_rate": 1.0,
        "optim": "sgd",  # as rounding is large after Adam has divided small gradients
        "lr_scheduler_type": "constant",
        "max_grad_norm": 1e9,
        "train_sampling_strategy": "sequential",
        "max_length": None,
        "report_to": [],
        "bf16": False,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "disable_tqdm": True,
    }
    return SFTConfig(str(out), **{**values, **changes})


def trainer(
    setup: Setup, out: Path, samples: list[Sample], kind: Any = VideoSFTTrainer, **changes: Any
) -> Any:
    peft = changes.pop("peft_config", None)
    return kind(
        AutoModelForImageTextToText.from_pretrained(setup.folder),
        args=arguments(out, **changes),
        train_dataset=Dataset.from_list([row(sample) for sample in samples]),
        processing_class=setup.encoder.processor,
        encoder=setup.encoder,
        peft_config=peft,
    )


def flat(model: Any) -> torch.Tensor:
    return torch.cat([value.detach().flatten() for value in model.parameters()])


@torch.no_grad()
def direct_logps(setup: Setup, model: Any, sample: Sample) -> torch.Tensor:
    """Log-probabilities of the true answer's tokens from a plain forward pass of one row."""
    answer = setup.encoder.answer_ids(task_of(sample).completion(sample.answer))
    inputs = batch([setup.encoder(sample)], 0, [answer])
    del inputs["labels"]
    logps: torch.Tensor = model(**inputs).logits[0, -len(answer) - 1 : -1].log_softmax(-1)
    return logps.gather(1, answer[:, None])[:, 0]


def test_labels_are_completions_that_earn_one(setup: Setup) -> None:
    samples = setup.samples[:4]
    inputs = VideoCollator(setup.encoder)([row(sample) for sample in samples])
    tokenizer = setup.encoder.processor.tokenizer
    for sample, labels in zip(samples, inputs["labels"], strict=True):
        answer = tokenizer.decode(labels[labels != -100], skip_special_tokens=True)
        assert score(sample, answer).total == 1.0


def test_the_batch_carries_every_video(setup: Setup) -> None:
    samples = setup.samples[:4]
    inputs = VideoCollator(setup.encoder)([row(sample) for sample in samples])
    if setup.tiled:
        frames = sum(len(item.frames) for sample in samples for item in sample.media)
        assert len(inputs["pixel_values"]) == frames
    else:
        assert len(inputs["video_grid_thw"]) == sum(len(sample.media) for sample in samples)


def test_the_collator_travels_to_worker_processes(setup: Setup) -> None:
    # Loaders are spawned on macOS: what they are given is pickled.
    collator = VideoCollator(setup.encoder)
    rows = [row(sample) for sample in setup.samples[:2]]
    here, there = collator(rows), pickle.loads(pickle.dumps(collator))(rows)
    assert here.keys() == there.keys()
    assert all(torch.equal(here[key], there[key]) for key in here)


def test_the_loss_is_the_mean_over_the_completions_tokens_of_all_kinds_of_rows(
    setup: Setup, tmp_path: Path
) -> None:
    samples = kinds(setup.samples)
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    logps = [direct_logps(setup, model, sample) for sample in samples]
    assert len({len(each) for each in logps}) > 1
    train = trainer(setup, tmp_path, samples, per_device_train_batch_size=len(samples))
    train.train()
    log = train.state.log_history[0]
    assert log["loss"] == pytest.approx(-torch.cat(logps).mean().item(), abs=1e-4)
    assert log["grad_norm"] > 0


def test_micro_batches_give_the_loss_and_the_step_of_one_batch(
    setup: Setup, tmp_path: Path
) -> None:
    # The mean of the micro-batches' means would be another number: their lengths differ.
    samples = kinds(setup.samples)[:4]
    seen = []
    for size in (4, 2, 1):
        train = trainer(
            setup,
            tmp_path / str(size),
            samples,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=4 // size,
        )
        train.train()
        seen.append((train.state.log_history[0]["loss"], flat(train.model)))
    (loss, weights), *others = seen
    before = flat(AutoModelForImageTextToText.from_pretrained(setup.folder))
    assert (weights - before).norm() > 1e-2
    for other_loss, other_weights in others:
        assert other_loss == pytest.approx(loss, abs=1e-5)
        assert (other_weights - weights).norm() < 1e-4 * (weights - before).norm()


def test_rows_without_media_make_a_batch_of_their_own(setup: Setup, tmp_path: Path) -> None:
    text = kinds(setup.samples)[-1]
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    train = trainer(setup, tmp_path, [text], per_device_train_batch_size=1)
    train.train()
    wanted = -direct_logps(setup, model, text).mean().item()
    assert train.state.log_history[0]["loss"] == pytest.approx(wanted, abs=1e-4)


def test_columns_that_no_batch_needs_may_be_removed(setup: Setup, tmp_path: Path) -> None:
    train = trainer(setup, tmp_path, setup.samples[:2])
    assert train.args.remove_unused_columns  # TRL's default
    train.train()


def test_a_batch_without_its_videos_is_refused(setup: Setup, tmp_path: Path) -> None:
    class Blind(VideoCollator):
        def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
            inputs = super().__call__(rows)
            return {k: v for k, v in inputs.items() if "pixel" not in k and "grid" not in k}

    train = trainer(setup, tmp_path, setup.samples[:2])
    train.data_collator = Blind(setup.encoder)
    with pytest.raises(MissingVideoError, match=r"(video|image) tokens, but features for 0"):
        train.train()


def test_adapters_are_trained_and_nothing_else(setup: Setup, tmp_path: Path) -> None:
    lora = LoraConfig(r=4, target_modules=r".*language_model\..*_proj")
    samples = kinds(setup.samples)[:2]
    plain = trainer(setup, tmp_path / "plain", samples)
    plain.train()
    train = trainer(setup, tmp_path / "lora", samples, peft_config=lora)
    before = {name: value.detach().clone() for name, value in train.model.named_parameters()}
    train.train()
    # Adapters start as nothing: the first loss is that of the model.
    first, wanted = (t.state.log_history[0]["loss"] for t in (train, plain))
    assert first == pytest.approx(wanted, abs=1e-5)
    changed = {
        name
        for name, value in train.model.named_parameters()
        if not torch.equal(value, before[name])
    }
    assert changed and all("lora_" in name for name in changed)


@pytest.mark.parametrize(
    "wrong",
    [{"packing": True, "packing_strategy": "wrapped"}, {"completion_only_loss": False}],
    ids=str,
)
def test_what_the_collator_does_not_do_is_refused(
    setup: Setup, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=f"SFTConfig: {next(iter(wrong))} is .*; leave it out"):
        trainer(setup, tmp_path, setup.samples[:2], **wrong)


def test_a_further_loss_may_use_the_hidden_states_of_a_block(setup: Setup, tmp_path: Path) -> None:
    class Shrinking(VideoSFTTrainer):
        """Adds the mean square of what comes out of the second block."""

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
            with block_output(model, 2) as outputs:
                self.plain = super().compute_loss(model, inputs, *args, **kwargs)
            (self.hidden,) = outputs
            self.inputs = inputs
            loss: torch.Tensor = self.plain + self.hidden.square().mean()
            return loss

    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    train = trainer(setup, tmp_path, setup.samples[:2], Shrinking)
    train.train()
    with torch.no_grad():
        inputs = {k: v for k, v in train.inputs.items() if k not in ("labels", "use_cache")}
        # The embeddings come first, then what comes out of each block.
        wanted = model(**inputs, output_hidden_states=True).hidden_states[2]
    assert torch.allclose(train.hidden, wanted, atol=1e-4)
    total = train.plain.item() + wanted.square().mean().item()
    assert train.state.log_history[0]["loss"] == pytest.approx(total, abs=1e-3)
    plain = trainer(setup, tmp_path / "plain", setup.samples[:2])
    plain.train()
    assert not torch.allclose(flat(train.model), flat(plain.model), atol=1e-3)


def test_a_block_that_the_model_lacks_is_refused(setup: Setup) -> None:
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    refused = pytest.raises(UsageError, match="block 4 of the language model; allowed: 1 to 3")
    with refused, block_output(model, 4):
        pass


def test_trl_has_the_methods_that_are_overridden_here() -> None:
    assert list(inspect.signature(SFTTrainer._prepare_dataset).parameters) == [
        "self",
        "dataset",
        "processing_class",
        "args",
        "packing",
        "formatting_func",
        "dataset_name",
    ]
    assert list(inspect.signature(SFTTrainer._set_signature_columns_if_needed).parameters) == [
        "self"
    ]
    assert list(inspect.signature(SFTTrainer.compute_loss).parameters) == [
        "self",
        "model",
        "inputs",
        "return_outputs",
        "num_items_in_batch",
    ]


def test_a_target_has_the_decimals_that_its_prompt_asks_for(setup: Setup) -> None:
    one = next(sample for sample in setup.samples if sample.task == "anomaly")
    (item,) = one.media
    # A step of 2 s: no decimals.
    slow = tuple(f._replace(shown_seconds=2.0 * i) for i, f in enumerate(item.frames))
    sample = replace(one, media=(replace(item, frames=slow),), answer=[8.0, 20.0])
    inputs = VideoCollator(setup.encoder)([{"sample": sample.to_json()}])
    ids = inputs["labels"][inputs["labels"] >= 0]
    wanted = setup.encoder.answer_ids(task_of(sample).completion([8, 20]))
    assert ids.tolist() == wanted.tolist()
