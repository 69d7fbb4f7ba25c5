from __future__ import annotations

import pickle

import torch

from kuleshov.tasks import score
from kuleshov.train.grpo import row
from kuleshov.train.sft import VideoCollator
from tests.train.conftest import Setup


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
