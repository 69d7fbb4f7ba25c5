from __future__ import annotations

import inspect
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForImageTextToText
from trl import DPOConfig, DPOTrainer

from kuleshov.errors import MissingVideoError, UsageError
from kuleshov.sample import Sample
from kuleshov.train.dpo import PairCollator, VideoDPOTrainer
from kuleshov.train.encode import batch
from kuleshov.train.preference import pair
from tests.train.conftest import Setup
from tests.train.test_sft import flat, kinds

BETA = 0.1
LORA = LoraConfig(r=4, target_modules=r".*language_model\..*_proj", init_lora_weights=False)


def pairs(samples: list[Sample]) -> list[dict[str, str]]:
    """Other answers to all kinds of prompts, then the same answer to other videos."""
    three, one, *others = kinds(samples)
    rows = [pair(three), pair(one), pair(three, "shuffled"), pair(one, "blind")]
    made = [row for row in rows if row is not None]
    assert len(made) == 4
    texts = [sample.to_json() for sample in others]  # guesses take a clock, and these have none
    return made + [{**made[1], "sample": text, "rejected_sample": text} for text in texts]


def trainer(setup: Setup, out: Path, rows: list[dict[str, str]], **changes: Any) -> Any:
    values: dict[str, Any] = {
        "per_device_train_batch_size": len(rows),
        "max_steps": 1,
        "learning_rate": 1.0,
        "optim": "sgd",
        "lr_scheduler_type": "constant",
        "max_grad_norm": 1e9,
        "train_sampling_strategy": "sequential",
        "beta": BETA,
        "report_to": [],
        "bf16": False,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "disable_tqdm": True,
    }
    ours = ("peft_config", "share_prompts", "data_collator")
    given = {key: changes.pop(key) for key in ours if key in changes}
    return VideoDPOTrainer(
        AutoModelForImageTextToText.from_pretrained(setup.folder),
        args=DPOConfig(str(out), **{**values, **changes}),
        train_dataset=Dataset.from_list(rows),
        processing_class=setup.encoder.processor,
        encoder=setup.encoder,
        **given,
    )


@torch.no_grad()
def direct_logps(setup: Setup, model: Any, row: dict[str, str], side: str) -> float:
    """Log-probability of one completion, from a plain forward pass of its row alone."""
    sample = Sample.from_json(row["sample" if side == "chosen" else "rejected_sample"])
    answer = setup.encoder.answer_ids(row[side])
    inputs = batch([setup.encoder(sample)], 0, [answer])
    del inputs["labels"]
    logps = model(**inputs).logits[0, -len(answer) - 1 : -1].log_softmax(-1)
    return float(logps.gather(1, answer[:, None]).sum())


def test_the_loss_of_a_model_like_its_reference_is_that_of_a_coin(
    setup: Setup, tmp_path: Path
) -> None:
    # No margin: -log sigmoid(0) = log 2, whatever the pairs.
    train = trainer(setup, tmp_path, pairs(setup.samples))
    train.train()
    log = train.state.log_history[0]
    assert log["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert log["rewards/margins"] == pytest.approx(0.0, abs=1e-5)
    assert log["grad_norm"] > 0


@pytest.mark.parametrize("share", [True, False], ids=["shared", "apart"])
def test_the_loss_is_that_of_its_formula(setup: Setup, tmp_path: Path, share: bool) -> None:
    """Plain log-probabilities of a policy that differs from its reference, and the formula."""
    rows = pairs(setup.samples)
    train = trainer(setup, tmp_path, rows, share_prompts=share, learning_rate=0.0)
    reference = AutoModelForImageTextToText.from_pretrained(setup.folder)
    policy = AutoModelForImageTextToText.from_pretrained(setup.folder)
    torch.manual_seed(0)
    for model in (train.model, policy):
        torch.manual_seed(0)
        with torch.no_grad():
            for value in model.parameters():
                value += 0.02 * torch.randn_like(value)
    losses, margins, chosen = [], [], []
    for row in rows:
        ratios = {
            side: direct_logps(setup, policy, row, side) - direct_logps(setup, reference, row, side)
            for side in ("chosen", "rejected")
        }
        margins.append(BETA * (ratios["chosen"] - ratios["rejected"]))
        losses.append(math.log1p(math.exp(-margins[-1])))
        chosen.append(direct_logps(setup, policy, row, "chosen"))
    assert max(map(abs, margins)) > 0.01
    train.train()
    log = train.state.log_history[0]
    count = len(rows)
    assert log["loss"] == pytest.approx(sum(losses) / count, abs=1e-5)
    assert log["rewards/margins"] == pytest.approx(sum(margins) / count, abs=1e-5)
    assert log["logps/chosen"] == pytest.approx(sum(chosen) / count, abs=1e-4)


def test_the_loss_of_a_known_margin(setup: Setup, tmp_path: Path) -> None:
    """A reference whose log-probabilities of the chosen are 3 lower: 0.1 * 3 = 0.3.

    -log sigmoid(0.3) = log(1 + e^-0.3) = log(1 + 0.740818) = 0.554355
    """
    rows = pairs(setup.samples)[:2]
    train = trainer(setup, tmp_path, rows, learning_rate=0.0)
    plain = train.ref_model.forward

    def lower(*args: Any, **kwargs: Any) -> Any:
        output = plain(*args, **kwargs)
        output.log_probs[:2, 0] -= 3.0
        return output

    train.ref_model.forward = lower
    train.train()
    assert train.state.log_history[0]["loss"] == pytest.approx(0.554355, abs=1e-5)


@pytest.mark.parametrize("lora", [None, LORA], ids=["all", "lora"])
def test_shared_prompts_change_nothing(setup: Setup, tmp_path: Path, lora: Any) -> None:
    before = flat(AutoModelForImageTextToText.from_pretrained(setup.folder))
    logs, weights = [], []
    for share in (True, False):
        train = trainer(
            setup,
            tmp_path / str(share),
            pairs(setup.samples),
            share_prompts=share,
            peft_config=lora,
            learning_rate=0.1,
        )
        train.train()
        logs.append(train.state.log_history[0])
        weights.append(flat(train.model))
    if lora is None:
        assert (weights[0] - before).norm() > 1e-3
    assert (weights[0] - weights[1]).norm() < 1e-5 * weights[0].norm()
    for key in ("loss", "logps/chosen", "logps/rejected", "logits/chosen", "entropy"):
        assert logs[0][key] == pytest.approx(logs[1][key], abs=1e-4), key
    # Each prompt of two completions once.
    assert logs[0]["num_tokens"] < logs[1]["num_tokens"]


def test_the_reference_of_adapters_is_the_model_without_them(setup: Setup, tmp_path: Path) -> None:
    rows = pairs(setup.samples)
    train = trainer(setup, tmp_path, rows, peft_config=LORA, learning_rate=0.0)
    assert train.ref_model is None
    plain = AutoModelForImageTextToText.from_pretrained(setup.folder)
    train.model.eval()
    margins = []
    for row in rows:
        ratios = [
            direct_logps(setup, train.model, row, side) - direct_logps(setup, plain, row, side)
            for side in ("chosen", "rejected")
        ]
        margins.append(BETA * (ratios[0] - ratios[1]))
    assert max(map(abs, margins)) > 1e-3
    train.train()
    wanted = sum(math.log1p(math.exp(-margin)) for margin in margins) / len(rows)
    assert train.state.log_history[0]["loss"] == pytest.approx(wanted, abs=1e-5)


def test_micro_batches_give_the_step_of_one_batch(setup: Setup, tmp_path: Path) -> None:
    rows = pairs(setup.samples)[:4]
    weights = []
    for size in (4, 1):
        train = trainer(
            setup,
            tmp_path / str(size),
            rows,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=4 // size,
        )
        train.train()
        weights.append(flat(train.model))
    before = flat(AutoModelForImageTextToText.from_pretrained(setup.folder))
    step = (weights[0] - before).norm()
    assert step > 1e-3 and (weights[1] - weights[0]).norm() < 1e-4 * step


@pytest.mark.parametrize("share", [True, False], ids=["shared", "apart"])
def test_a_batch_without_its_videos_is_refused(setup: Setup, tmp_path: Path, share: bool) -> None:
    pixels = setup.pixels("video")

    class Blind(PairCollator):
        def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
            inputs = super().__call__(rows)
            for group in inputs.get("groups", []):
                group.prompt.videos.pop(pixels, None)
            return {key: value for key, value in inputs.items() if key != pixels}

    train = trainer(
        setup, tmp_path, pairs(setup.samples)[:2], data_collator=Blind(setup.encoder, share)
    )
    with pytest.raises(MissingVideoError, match=r"(video|image) tokens, but features for 0"):
        train.train()


def test_the_collator_travels_to_worker_processes(setup: Setup) -> None:
    collator = PairCollator(setup.encoder)
    rows = pairs(setup.samples)[:2]
    here, there = collator(rows), pickle.loads(pickle.dumps(collator))(rows)
    assert torch.equal(here["input_ids"], there["input_ids"]) and here.keys() == there.keys()


def test_a_reference_that_is_computed_beforehand_is_refused(setup: Setup, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="precompute_ref_log_probs is True; leave it out"):
        trainer(setup, tmp_path, pairs(setup.samples)[:2], precompute_ref_log_probs=True)


def test_trl_has_the_methods_that_are_overridden_here() -> None:
    for name, parameters in {
        "_prepare_dataset": ["dataset", "processing_class", "args", "dataset_name"],
        "_set_signature_columns_if_needed": [],
        "_precompute_ref_logps": ["dataset", "name", "batch_size"],
    }.items():
        signature = inspect.signature(getattr(DPOTrainer, name))
        assert list(signature.parameters) == ["self", *parameters]
