"""Each objective trains the tiny model for a few steps by its recipe."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForImageTextToText, TrainerCallback

from kuleshov.controls import control
from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.media import Renderer
from kuleshov.recipe import load, packaged
from kuleshov.sample import Sample
from kuleshov.train import follow, pipeline, tiny
from kuleshov.train.comparative import QUALITIES
from kuleshov.train.config import TrainConfig
from kuleshov.train.encode import Encoder
from kuleshov.train.grpo import VideoGRPOTrainer, row
from kuleshov.train.objective import Objective, Step
from kuleshov.train.objective_table import OBJECTIVES, objective_of
from kuleshov.train.objectives import group_advantages
from kuleshov.train.refeed import Written
from tests.train.conftest import Setup
from tests.train.test_grpo import arguments


@pytest.fixture(scope="module")
def one(data: Path, short_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """The tiny model of one family: objectives do not look at the family."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    samples = load_samples(data, "train")
    folder = tmp_path_factory.mktemp("one")
    _, processor = tiny.build(folder, [sample.prompt for sample in samples])
    return Setup("qwen2_5_vl", folder, Encoder(processor, Renderer(short_clips)), samples, data)


def by_content(completions: list[Any], sample: list[str], **columns: Any) -> list[float]:
    """Rewards in [0, 1] that differ, for a model that writes noise, from its text alone."""
    return [by_text(c[0]["content"]) for c in completions]


def by_text(text: str) -> float:
    return sum(map(ord, text)) % 11 / 10


def recipe(name: str) -> TrainConfig:
    return load(packaged(f"objectives/{name}.yaml"), "train", TrainConfig, {})


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = AutoModelForImageTextToText.from_pretrained(
        folder
    ).state_dict()
    return state


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_recipe_trains(
    one: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(follow, "pretext_reward", by_content)
    monkeypatch.setitem(QUALITIES, "exact", lambda sample, text: by_text(text))
    config = recipe(name)
    if name == "dapo":  # all of the noise is cut, and what is cut is not trained on
        options = {"mask_truncated_completions": False}
        config = replace(config, grpo=replace(config.grpo, objective_options=options))
    trained = pipeline.train(one.data, str(one.folder), tmp_path, config)
    metrics = lines(tmp_path / "metrics.jsonl")
    assert [m["step"] for m in metrics] == [1, 2]
    for metric in metrics:
        assert math.isfinite(metric["loss"]) and math.isfinite(metric["grad_norm"])
    assert any(metric["grad_norm"] > 0 for metric in metrics)
    before, after = weights(one.folder), weights(trained)
    assert any(not torch.equal(before[key], after[key]) for key in before)
    rollouts = lines(tmp_path / "completions.jsonl")
    twins = [rollout for rollout in rollouts if "twin" in rollout]
    generations = 1 if "num_iterations" in config.grpo.extra else 2
    assert len(rollouts) - len(twins) == generations * 2 * 4
    assert len(twins) == generations * 2 * {"t_grpo": 2, "comparative": 4}.get(name, 0)


class Recorder(VideoGRPOTrainer):
    """Keeps what was rolled out and what the loss was computed from."""

    def roll_out(self, samples: Any, number: int) -> Written:
        self.asked = [sample for sample in samples for _ in range(number)]
        return super().roll_out(samples, number)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        self.seen = inputs
        return super()._compute_loss(model, inputs)


def recorder(
    one: Setup,
    out: Path,
    objective: Objective,
    reward: Callable[..., list[float]] = by_content,
    **changes: Any,
) -> Recorder:
    settings = {"num_generations": 4, "per_device_train_batch_size": 8, "max_steps": 1, **changes}
    return Recorder(
        str(one.folder),
        reward_funcs=[reward],
        args=arguments(one, out, **settings, **objective.arguments()),
        train_dataset=Dataset.from_list([row(sample) for sample in one.samples]),
        processing_class=one.encoder.processor,
        encoder=one.encoder,
        objective=objective,
    )


def test_the_shuffled_rollouts_of_t_grpo_are_compared_and_not_trained_on(
    one: Setup, tmp_path: Path
) -> None:
    train = recorder(one, tmp_path / "bonus", OBJECTIVES["t_grpo"])
    train.train()
    # Two groups of 4, and 2 completions for the twin of each.
    assert len(train.asked) == 4 and len(train.seen["encoded"]) == 8
    ids = {sample.id: sample for sample in one.samples}
    twins = {str(control(ids[sample.id], "shuffled").media) for sample in train.asked}
    assert {str(sample.media) for sample in train.asked} == twins
    whole = [one.encoder(ids[sample.id]).videos["pixel_values_videos"] for sample in train.asked]
    for encoded in train.seen["encoded"]:
        pixels = encoded.videos["pixel_values_videos"]
        assert any(torch.equal(pixels, ordered) for ordered in whole)
    # Without the bonus, a step with twins is a step without them. Plain gradient descent, as
    # rounding is large after Adam has divided small gradients by themselves.
    start = AutoModelForImageTextToText.from_pretrained(one.folder)
    before = torch.cat([value.detach().flatten() for value in start.parameters()])
    after: list[torch.Tensor] = []
    for objective in (objective_of("t_grpo", {"alpha": 0.0}, {}), OBJECTIVES["grpo"]):
        train = recorder(one, tmp_path / str(len(after)), objective, optim="sgd", learning_rate=1.0)
        train.train()
        after.append(torch.cat([value.flatten() for value in train.model.parameters()]))
    silent, plain = after
    assert torch.allclose(silent, plain, atol=1e-5)
    assert not torch.allclose(before, plain, atol=1e-3)


def test_the_bonus_of_t_grpo_reaches_the_advantages(one: Setup, tmp_path: Path) -> None:
    """Every twin fails: each group has earned its bonus, so that correct answers gain on others."""

    def twins_fail(completions: list[Any], twin: Any = None, **columns: Any) -> list[float]:
        return [0.0 if twin else (0.0, 0.05, 0.5, 1.0)[i % 4] for i in range(len(completions))]

    train = recorder(one, tmp_path, OBJECTIVES["t_grpo"], twins_fail)
    train.train()
    want = group_advantages(torch.tensor([[0.0, 0.05, 0.8, 1.3]])).tolist()[0]
    got = train.seen["advantages"].tolist()
    assert sorted(got) == pytest.approx(sorted(want * 2), abs=1e-5)


@final
class Blind(Objective):
    """A paired objective: what a group earns beyond a blind guess, where there is a twin."""

    def arguments(self) -> dict[str, Any]:
        return {}

    def twins(self, group_size: int) -> int:
        return 3

    def twin(self, sample: Sample) -> Sample | None:
        return control(sample, "blind") if sample.task == "anomaly" else None

    def rewards(self, step: Step) -> torch.Tensor:
        assert step.twins is not None
        self.__dict__["step"] = step
        return step.rewards - step.twins.mean(dim=1, keepdim=True).nan_to_num(0.0)


def test_a_paired_objective_needs_a_twin_and_no_more(one: Setup, tmp_path: Path) -> None:
    objective = Blind()
    train = recorder(one, tmp_path, objective, max_steps=2)
    train.train()
    step: Step = objective.__dict__["step"]
    assert step.rewards.shape == (2, 4, 1) and step.twins is not None
    assert step.twins.shape == (2, 3, 1)
    for task, twins in zip(step.tasks, step.twins, strict=True):
        assert bool(twins.isnan().all()) == (task != "anomaly")


def test_groups_that_are_split_are_refused_by_an_objective_that_compares_in_its_loss(
    one: Setup, tmp_path: Path
) -> None:
    train = recorder(
        one,
        tmp_path,
        OBJECTIVES["reg_grpo"],
        per_device_train_batch_size=2,
        gradient_accumulation_steps=4,
    )
    # 8 completions of 2 groups of 4 are split into 4 x 2.
    with pytest.raises(UsageError, match="groups are split"):
        train.train()


def test_the_loss_of_reg_grpo_is_that_of_its_formula(one: Setup, tmp_path: Path) -> None:
    # Fresh completions: every rho is 0, so the loss is the mean of A^2, over both groups.
    train = recorder(one, tmp_path, OBJECTIVES["reg_grpo"])
    train.train()
    want = train.seen["advantages"].square().mean().item()
    assert want > 0.1
    assert train.state.log_history[0]["loss"] == pytest.approx(want, abs=1e-4)


def test_what_an_objective_remembers_goes_into_the_checkpoints(one: Setup, tmp_path: Path) -> None:
    first = recorder(one, tmp_path, OBJECTIVES["ema_grpo"], save_steps=1)
    first.train()
    assert first.memory and set(first.memory) <= {"anomaly", "jigsaw"}
    then = recorder(one, tmp_path, OBJECTIVES["ema_grpo"], max_steps=2)
    remembered = []

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            remembered.append(then.memory)

    then.add_callback(Watch())
    then.train(resume_from_checkpoint=True)
    assert remembered == [first.memory]
