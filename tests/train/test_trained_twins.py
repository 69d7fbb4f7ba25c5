"""Twins that are trained on: what TRL's loss then is, and that a run goes on with them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, TrainerCallback

from kuleshov.sample import Sample
from kuleshov.train import follow, pipeline
from kuleshov.train.comparative import QUALITIES, Comparative
from kuleshov.train.encode import Encoded, batch
from kuleshov.train.objective_table import objective_of
from kuleshov.train.preference import degraded
from tests.train.conftest import Setup
from tests.train.test_objectives_train import (
    Recorder,
    by_content,
    by_text,
    lines,
    one,
    recipe,
    recorder,
)

__all__ = ["one"]

ACCUMULATED: dict[str, Any] = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}


@pytest.fixture(autouse=True)
def graded(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setitem(QUALITIES, "task", lambda sample, text: by_text(text))


class Watch(TrainerCallback):  # type: ignore[misc]
    """Keeps the gradients, and stops after a step."""

    def __init__(self, stop: int | None = None) -> None:
        self.gradients: list[dict[str, torch.Tensor]] = []
        self.stop = stop

    def on_pre_optimizer_step(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        self.gradients.append(found)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.stop:
            control.should_save = control.should_training_stop = True


def trainer(
    one: Setup, out: Path, stop: int | None = None, share: bool = True, **changes: Any
) -> tuple[Recorder, Watch]:
    options = {"base": "none", "gate": False, "degraded_gradient": True}
    options |= changes.pop("options", {})
    settings = {"optim": "sgd", "learning_rate": 0.05, "lr_scheduler_type": "constant", **changes}
    made = recorder(one, out, objective_of("comparative", options, {}), **settings)
    made.share_prompts = share
    watch = Watch(stop)
    made.add_callback(watch)
    return made, watch


def rollouts(train: Recorder) -> list[tuple[Encoded, list[int]]]:
    """Fills up with what the samples wrote, in order, and behind it what their twins wrote."""
    rows: list[tuple[Encoded, list[int]]] = []
    generate = train._generate

    def watched(prompts: list[Any]) -> tuple[Any, ...]:
        written = generate(prompts)
        assert train._prompts is not None
        rows.extend(zip(train._prompts, written[1], strict=True))
        return written

    train._generate = watched  # type: ignore[method-assign]
    return rows


def plain_gradient(
    one: Setup, train: Recorder, rows: list[tuple[Encoded, list[int]]]
) -> dict[str, torch.Tensor]:
    """Of the formula, completion by completion: no groups, no packing, no batches.

    -1/8 sum_i r_c,i (mean log pi(o_i) + mean log pi(o~_i)); on fresh completions the ratios are 1,
    and a baseline that starts at 0 is 0.
    """
    model = AutoModelForImageTextToText.from_pretrained(one.folder).train()
    texts = train.processing_class.batch_decode([ids for _, ids in rows], skip_special_tokens=True)
    for row, (prompt, ids) in enumerate(rows):
        advantage = by_text(texts[row % 8]) - by_text(texts[row % 8 + 8])
        completion = torch.tensor(ids)
        logits = model(**batch([prompt], 0, [completion])).logits[0, -len(ids) - 1 : -1]
        logps = logits.log_softmax(dim=-1).gather(1, completion[:, None])[:, 0]
        torch.autograd.backward(-advantage * logps.mean() / 8)
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"share": False},
        ACCUMULATED,
        {"num_iterations": 2, "beta": 0.1, **ACCUMULATED},
        {"per_device_train_batch_size": 4, "steps_per_generation": 2},
    ],
    ids=["shared", "repeated", "accumulated", "reference and iterations", "two steps"],
)
def test_the_gradient_is_that_of_the_formula_computed_one_by_one(
    one: Setup, tmp_path: Path, changes: dict[str, Any]
) -> None:
    train, watch = trainer(one, tmp_path, max_grad_norm=1e9, **changes)
    rows = rollouts(train)
    if steps := "steps_per_generation" in changes:
        # Each step is a half of the rollouts, so that their mean is the whole; no weight moves.
        train.args.max_steps, train.args.learning_rate = 2, 0.0
    train.train()
    assert len(rows) == 16
    for (own, _), (twin, _) in zip(rows[:8], rows[8:], strict=True):
        lost = degraded(own.sample, "switched_off")
        assert twin.sample == (lost or own.sample)
    found = {
        name: sum(gradients[name] for gradients in watch.gradients) / (2 if steps else 1)
        for name in watch.gradients[0]
    }
    wanted = plain_gradient(one, train, rows)
    assert wanted.keys() == found.keys()
    assert sum(value.norm() for value in wanted.values()) > 0.1
    for name, value in wanted.items():
        assert (found[name] - value).norm() <= 1e-4 * value.norm() + 1e-7, name


def test_twins_are_groups_of_their_own_and_each_video_is_encoded_once(
    one: Setup, tmp_path: Path
) -> None:
    train, _ = trainer(one, tmp_path, **ACCUMULATED)
    calls: list[str] = []
    encode = train.encoder

    def counting(sample: Sample) -> Encoded:
        calls.append(sample.to_json())
        return encode(sample)

    train.encoder = counting  # type: ignore[assignment]
    rows = rollouts(train)
    seen: list[dict[str, Any]] = []
    compute = train._compute_loss

    def watched(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        seen.append(inputs)
        return compute(model, inputs)

    train._compute_loss = watched  # type: ignore[method-assign]
    train.train()
    assert len(calls) == len(set(calls)) == 4
    groups = [number for inputs in seen for number in inputs["group"].tolist()]
    assert sorted(groups) == [n for n in range(4) for _ in range(4)]
    prompts = [prompt for inputs in seen for prompt in inputs["encoded"]]
    assert len({id(prompt) for prompt in prompts}) == 4
    log = train.state.log_history[0]
    # TRL counts a prompt for each completion.
    tokens = sum(len(prompt.input_ids) + len(ids) for prompt, ids in rows)
    assert log["num_tokens"] == tokens
    assert log["completions/mean_length"] == sum(len(ids) for _, ids in rows[:8]) / 8


def test_a_sample_without_a_degraded_video_is_trained_on_by_itself(
    one: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Comparative,
        "twin",
        lambda self, s: degraded(s, "single") if s.task == "anomaly" else None,
    )
    train, _ = trainer(one, tmp_path, options={"base": "task"}, max_steps=2, shuffle_dataset=False)
    rows = rollouts(train)
    train.train()
    assert {prompt.sample.task for prompt, _ in rows} == {"anomaly", "jigsaw"}
    columns = (train.seen[key] for key in ("sample", "group", "advantages"))
    absent = [
        advantage.item()
        for sample, group, advantage in zip(*columns, strict=True)
        if group >= 2 and Sample.from_json(sample).task == "jigsaw"
    ]
    assert absent and not any(absent)


def test_a_run_that_goes_on_in_a_window_ends_as_one_that_did_not_stop(
    one: Setup, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {
        "num_iterations": 2,
        "steps_per_generation": 2,
        "per_device_train_batch_size": 4,
    }
    ended = []
    for out, stops in (("whole", [None]), ("stopped", [3, None])):
        for stop in stops:
            train, _ = trainer(
                one, tmp_path / out, stop, max_steps=6, optim="adamw_torch", beta=0.1, **changes
            )
            train.train(resume_from_checkpoint=stop is None and len(stops) > 1)
        log = train.state.log_history[-2] | {"step_time": None, **train.memory}
        ended.append((train.model.state_dict(), log, train.state.num_input_tokens_seen))
    (weights, log, tokens), (found, other, counted) = ended
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    assert log == other and log["baseline"] and tokens == counted > 0
    start = AutoModelForImageTextToText.from_pretrained(one.folder).state_dict()
    assert any(not torch.equal(start[name], weights[name]) for name in weights)


def test_a_recipe_trains_on_both_branches(
    one: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "pretext_reward", by_content)
    config = recipe("comparative")
    options = {"degraded_gradient": True, "against": "mean", "baseline": "group"}
    settings = replace(config.grpo, objective_options=options, micro_batch=4, steps=3)
    pipeline.train(one.data, str(one.folder), tmp_path, replace(config, grpo=settings))
    metrics = lines(tmp_path / "metrics.jsonl")
    assert [metric["step"] for metric in metrics] == [1, 2, 3]
    assert all(math.isfinite(metric["loss"]) for metric in metrics)
    assert any(metric["grad_norm"] > 0 for metric in metrics)
    written = lines(tmp_path / "completions.jsonl")
    assert sum("twin" in line for line in written) == 3 * 8 and len(written) == 3 * 16
