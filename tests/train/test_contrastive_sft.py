from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForImageTextToText
from trl import SFTTrainer

from kuleshov.controls import control
from kuleshov.dataset import load_samples
from kuleshov.sample import Sample
from kuleshov.train.contrast import Contrast
from kuleshov.train.contrastive import Ends, alignment, losses
from kuleshov.train.contrastive_sft import ContrastiveSFTTrainer, clamped
from kuleshov.train.grpo import row
from tests.train.conftest import Setup
from tests.train.test_sft import arguments, flat
from tests.train.test_sft import trainer as plain_trainer

blind = partial(control, name="blind")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of so small a model wait for each other most of the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def trainer(
    setup: Setup, out: Path, samples: list[Sample], degraded: Any = blind, **changes: Any
) -> ContrastiveSFTTrainer:
    knobs = {"blocks": (2,), **changes.pop("contrast", {})}
    return ContrastiveSFTTrainer(
        AutoModelForImageTextToText.from_pretrained(setup.folder),
        args=arguments(out, **changes),
        train_dataset=Dataset.from_list([row(sample) for sample in samples]),
        processing_class=setup.encoder.processor,
        encoder=setup.encoder,
        degraded=degraded,
        contrast=Contrast(**knobs),
    )


@torch.no_grad()
def ends(train: ContrastiveSFTTrainer, samples: list[Sample], training: bool = False) -> Ends:
    train.model.train(training)
    return train.ends(train.data_collator.segments(samples))[0]


def anomalies(setup: Setup) -> list[Sample]:
    return [sample for sample in setup.samples if sample.task == "anomaly"]


@pytest.mark.parametrize("layout", ["separate", "concatenated"])
def test_views_differ_in_training_and_agree_in_evaluation(
    setup: Setup, tmp_path: Path, layout: str
) -> None:
    samples = setup.samples[:2]
    train = trainer(setup, tmp_path, samples, contrast={"layout": layout, "dropout": 0.2})
    calm, moved = ends(train, samples), ends(train, samples, training=True)
    assert torch.equal(calm.view, calm.video)
    assert not torch.allclose(moved.view, moved.video, atol=1e-3)
    assert torch.allclose(moved.video, calm.video, atol=1e-5)  # the first view has no dropout
    still = trainer(setup, tmp_path, samples, contrast={"layout": layout, "dropout": 0.0})
    calm = ends(still, samples, training=True)
    assert torch.equal(calm.view, calm.video)


@pytest.mark.parametrize("layout", ["separate", "concatenated"])
def test_segments_leak_into_later_ones_only_where_they_are_concatenated(
    setup: Setup, tmp_path: Path, layout: str
) -> None:
    """The whole video is another one; the degraded video and the text stay as they are."""
    samples = anomalies(setup)[:2]
    less = {sample.id: control(sample, "blind") for sample in samples}
    train = trainer(setup, tmp_path, samples, lambda s: less[s.id], contrast={"layout": layout})
    first = ends(train, samples)
    other = ends(train, [control(sample, "reversed") for sample in samples])
    assert not torch.allclose(first.video, other.video, atol=1e-3)
    leaks = layout == "concatenated"
    assert torch.allclose(first.degraded, other.degraded, atol=1e-5) != leaks
    assert torch.allclose(first.text, other.text, atol=1e-5) != leaks


def test_both_layouts_agree_on_the_first_segment(setup: Setup, tmp_path: Path) -> None:
    samples = setup.samples[:3]
    separate, concatenated = [
        ends(trainer(setup, tmp_path, samples, contrast={"layout": layout}), samples).video
        for layout in ("separate", "concatenated")
    ]
    assert torch.allclose(separate, concatenated, atol=1e-4)


def test_the_loss_is_that_of_sft_and_the_weighed_sum(setup: Setup, tmp_path: Path) -> None:
    samples = setup.samples[:2]
    plain = plain_trainer(setup, tmp_path / "plain", samples)
    plain.train()
    knobs = {"dropout": 0.0, "weight": 0.5, "temperature": 0.5, "blocks": (1, 3)}
    train = trainer(setup, tmp_path / "both", samples, contrast=knobs)
    train.model.eval()
    segments = train.data_collator.segments(samples)
    with torch.no_grad():
        three = [losses(e, segments["words"], segments["known"], 0.5) for e in train.ends(segments)]
    wanted = sum(found.total.item() for found in three) / 2
    train.train()
    log, before = train.state.log_history[0], plain.state.log_history[0]
    assert wanted > 0.1
    assert log["loss"] == pytest.approx(before["loss"] + 0.5 * wanted, abs=1e-3)
    vv = sum(found.video_video.item() for found in three) / 2
    assert log["contrastive/video_video"] == pytest.approx(vv, abs=1e-3)


def test_without_weight_the_step_is_that_of_sft(setup: Setup, tmp_path: Path) -> None:
    samples = setup.samples[:2]
    plain = plain_trainer(setup, tmp_path / "plain", samples)
    silent = trainer(setup, tmp_path / "silent", samples, contrast={"weight": 0.0})
    loud = trainer(setup, tmp_path / "loud", samples, contrast={"weight": 1.0})
    for train in (plain, silent, loud):
        train.train()
    assert torch.allclose(flat(silent.model), flat(plain.model), atol=1e-5)
    assert not torch.allclose(flat(loud.model), flat(plain.model), atol=1e-3)


def test_activations_may_be_computed_again(setup: Setup, tmp_path: Path) -> None:
    """As on a GPU: what is kept of a block has gradients all the same."""
    samples = setup.samples[:2]
    knobs = {"weight": 1.0, "dropout": 0.0}
    kept, again, plain = [
        trainer(setup, tmp_path / name, samples, contrast=contrast, gradient_checkpointing=on)
        for name, contrast, on in [
            ("kept", knobs, False),
            ("again", knobs, True),
            ("plain", {"weight": 0.0}, True),
        ]
    ]
    for train in (kept, again, plain):
        train.train()
    assert torch.allclose(flat(kept.model), flat(again.model), atol=1e-4)
    assert not torch.allclose(flat(plain.model), flat(again.model), atol=1e-3)


def test_samples_without_a_degraded_video_give_no_negatives(setup: Setup, tmp_path: Path) -> None:
    samples = setup.samples[:2]
    train = trainer(setup, tmp_path, samples, degraded=lambda sample: None)
    train.train()
    log = train.state.log_history[0]
    assert log["contrastive/video_video"] == 0.0 and log["contrastive/text_video"] == 0.0
    assert "contrastive/alignment" not in log


def test_blocks_that_the_model_lacks_become_its_last_one() -> None:
    with pytest.warns(UserWarning, match=r"blocks \[16, 17\] of a language model with 3; block 3"):
        assert clamped((1, 16, 17), 3) == [1, 3]
    assert clamped((2, 1), 3) == [1, 2]


def test_text_is_closer_to_held_out_videos_with_their_key_frames(
    setup: Setup, tmp_path: Path
) -> None:
    if setup.family != "qwen2_5_vl":
        pytest.skip("one family learns: the losses do not look at the family")
    held_out = load_samples(setup.data, "held_out")
    assert held_out and {s.id for s in held_out}.isdisjoint(s.id for s in setup.samples)
    train = trainer(
        setup,
        tmp_path,
        setup.samples,
        max_steps=12,
        per_device_train_batch_size=4,
        optim="adamw_torch",
        learning_rate=1e-3,
        contrast={"weight": 1.0, "temperature": 0.2},
    )
    before = alignment(ends(train, held_out)).mean().item()
    train.train()
    after = alignment(ends(train, held_out)).mean().item()
    assert after > before + 0.1


def test_trl_has_the_signature_that_is_overridden_here() -> None:
    for kind in (SFTTrainer, ContrastiveSFTTrainer):
        assert list(inspect.signature(kind.compute_loss).parameters) == [
            "self",
            "model",
            "inputs",
            "return_outputs",
            "num_items_in_batch",
        ]
