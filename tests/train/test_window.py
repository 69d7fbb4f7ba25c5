from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from trl.trainer.utils import RepeatSampler

from kuleshov.errors import UsageError
from kuleshov.sample import Sample
from kuleshov.train.encode import Encoded
from kuleshov.train.window import EpochSampler, KeepWindow, encode_once
from tests.train.conftest import Setup


def sampler(epoch: int, shuffle: bool = True) -> EpochSampler:
    repeated = RepeatSampler(range(9), 2, batch_size=3, repeat_count=2, shuffle=shuffle, seed=0)
    return EpochSampler(repeated, lambda: epoch)


def test_the_order_of_an_epoch_does_not_depend_on_those_before() -> None:
    first, second = list(sampler(0)), list(sampler(1))
    assert first != second
    going_on = sampler(1)
    assert list(going_on) == second and list(going_on) == second
    for order in (first, second):
        assert len(order) == len(sampler(0)) == 9 * 2 * 2
        # Three prompts for their groups of two, and the same once more for the second iteration.
        assert order[0] == order[1] and order[:6] == order[6:12]
        assert sorted(set(order)) == list(range(9))


def test_an_order_that_is_not_shuffled_stays_as_it_is() -> None:
    assert list(sampler(3, shuffle=False))[:12] == [0, 0, 1, 1, 2, 2] * 2


def test_rows_of_a_sample_share_one_prompt(setup: Setup) -> None:
    seen: list[Sample] = []

    def encode(sample: Sample) -> Encoded:
        seen.append(sample)
        return setup.encoder(sample)

    texts = [setup.samples[i].to_json() for i in (0, 1, 0)]
    first, other, again = encode_once(texts, encode)
    assert first is again and first is not other and seen == setup.samples[:2]


def trainer(**values: Any) -> SimpleNamespace:
    return SimpleNamespace(num_iterations=2, _buffered_inputs=None, **values)


def test_rollouts_are_kept_without_pixels_and_only_while_they_are_needed(
    setup: Setup, tmp_path: Path
) -> None:
    texts = [sample.to_json() for sample in setup.samples[:2] for _ in range(2)]
    prompts = encode_once(texts, setup.encoder)
    batches: list[dict[str, Any]] = [
        {"completion_ids": torch.tensor([[i], [j]]), "sample": texts[i : j + 1]}
        for i, j in ((0, 1), (2, 3))
    ]
    buffered = [{**batch, "encoded": prompts[:2]} for batch in batches]
    args = SimpleNamespace(
        output_dir=str(tmp_path), process_index=0, steps_per_generation=2, device="cpu"
    )
    (tmp_path / "checkpoint-3").mkdir()
    file = tmp_path / "checkpoint-3" / "window-0.pt"
    state = SimpleNamespace(global_step=3)
    for step, kept in ((3, True), (4, False)):  # the window is of 2 * 2 steps
        before = trainer(_step=step, encoder=None)
        before._buffered_inputs = buffered
        KeepWindow(before).on_save(args, state, None)
        assert file.stat().st_size < 30_000 < prompts[0].videos[setup.pixels("video")].nbytes
        after = trainer(_step=0, encoder=setup.encoder)
        KeepWindow(after).on_train_begin(args, state, None)
        assert after._step == step and (after._buffered_inputs is not None) == kept
        for batch, found in zip(batches, after._buffered_inputs or batches, strict=True):
            assert torch.equal(found["completion_ids"], batch["completion_ids"])
            assert found["sample"] == batch["sample"]
            if kept:
                first, second = found["encoded"]
                assert first is second
                wanted = setup.encoder(Sample.from_json(batch["sample"][0])).videos
                assert all(torch.equal(first.videos[key], wanted[key]) for key in wanted)


def test_other_processes_than_before_are_refused(tmp_path: Path) -> None:
    args = SimpleNamespace(output_dir=str(tmp_path), process_index=1)
    watch = KeepWindow(trainer(_step=0))
    watch.on_train_begin(args, SimpleNamespace(global_step=0), None)  # a new run
    with pytest.raises(UsageError, match=r"window-1\.pt is missing.*as many processes as"):
        watch.on_train_begin(args, SimpleNamespace(global_step=3), None)
