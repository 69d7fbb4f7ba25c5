from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from trl import GRPOConfig

from kuleshov.errors import UsageError
from kuleshov.recipe import build, load, packaged
from kuleshov.sample import Frame, MediaItem, Sample
from kuleshov.train.config import GRPOSettings, TrainConfig
from kuleshov.train.objective import OBJECTIVES, Step, objective_of
from kuleshov.train.objectives import group_advantages

RECIPES = sorted((packaged("demo.yaml").parent / "objectives").glob("*.yaml"))


def grpo(**changes: Any) -> GRPOSettings:
    return build(GRPOSettings, changes, "train.grpo")


def arguments(out: Path, **flags: Any) -> dict[str, Any]:
    """All arguments of TRL as they are with these flags."""
    config = GRPOConfig(str(out), report_to=[], bf16=False, **flags)
    return {field.name: getattr(config, field.name) for field in fields(GRPOConfig)}


def step(rewards: list[list[float]], twins: list[list[float]] | None = None) -> Step:
    """Groups of anomalies first, of jigsaws last, with one reward function."""
    tasks = ["anomaly"] * (len(rewards) - 1) + ["jigsaw"]
    return Step(
        tasks,
        torch.tensor(rewards)[..., None],
        None if twins is None else torch.tensor(twins)[..., None],
    )


def test_the_default_is_what_trl_does_by_itself(tmp_path: Path) -> None:
    assert TrainConfig().grpo.objective == "trl_default"
    flags = OBJECTIVES["trl_default"].arguments()
    assert arguments(tmp_path, **flags) == arguments(tmp_path)


def test_the_table_says_how_the_objectives_of_trl_differ_from_its_default(tmp_path: Path) -> None:
    default = arguments(tmp_path)
    differences = {}
    for name in ("grpo", "dapo", "dr_grpo", "gspo", "cispo", "sapo"):
        here = arguments(tmp_path, **OBJECTIVES[name].arguments())
        differences[name] = {key: value for key, value in here.items() if value != default[key]}
    assert differences == {
        "grpo": {"loss_type": "grpo"},
        "dapo": {"epsilon_high": 0.28, "mask_truncated_completions": True},
        "dr_grpo": {"loss_type": "dr_grpo", "scale_rewards": "none"},
        "gspo": {
            "loss_type": "grpo",
            "importance_sampling_level": "sequence",
            "epsilon": 3e-4,
            "epsilon_high": 4e-4,
        },
        "cispo": {"loss_type": "cispo", "epsilon_high": 5.0},
        "sapo": {"loss_type": "sapo"},  # its temperatures are TRL's own
    }


def test_every_objective_has_a_recipe_and_its_flags_are_trls() -> None:
    assert {path.stem for path in RECIPES} == set(OBJECTIVES)
    known = {field.name for field in fields(GRPOConfig)}
    for name, objective in OBJECTIVES.items():
        assert set(objective.arguments()) <= known
        config = load(packaged(f"objectives/{name}.yaml"), "train", TrainConfig, {})
        assert config.grpo.objective == name
        assert set(yaml.safe_load(packaged(f"objectives/{name}.yaml").read_text())) == {"train"}


def test_options_change_knobs() -> None:
    settings = grpo(objective="t_grpo", objective_options={"factor": 0.8})
    assert settings.built_objective() == objective_of("t_grpo", {"factor": 0.8}, {})
    assert settings.built_objective() != OBJECTIVES["t_grpo"]
    assert objective_of("gspo", {"epsilon": 0.1}, {}).arguments()["epsilon"] == 0.1
    assert objective_of("dgrpo", {"bounds": {"anomaly": [0, 1]}}, {}) != OBJECTIVES["dgrpo"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "tgrpo"}, "unknown objective in train.grpo 'tgrpo'; did you mean 't_grpo'"),
        (
            {"objective": "t_grpo", "objective_options": {"alhpa": 1}},
            "unknown key in train.grpo.objective_options 'alhpa'; did you mean 'alpha'",
        ),
        (
            {"objective": "t_grpo", "objective_options": {"alpha": "much"}},
            "train.grpo.objective_options.alpha is 'much'",
        ),
        (
            {"objective_options": {"alpha": 1}},
            "unknown key in train.grpo.objective_options 'alpha'",
        ),
        (
            {"objective": "reg_grpo", "objective_options": {"std_floor": 0}},
            r"std_floor is 0\.0; allowed: more than 0",
        ),
        (
            {"objective": "reg_grpo", "micro_batch": 8},
            "micro_batch is 8, and reg_grpo compares all completions .* leave micro_batch out",
        ),
        (
            {"objective": "reg_grpo", "extra": {"epsilon": 0.1}},
            r"train\.grpo\.extra: epsilon would be without effect, as reg_grpo has a loss",
        ),
        (
            {"objective": "dgrpo", "objective_options": {"bounds": {"jigsa": [0, 1]}}},
            "unknown task in .*bounds 'jigsa'; did you mean 'jigsaw'",
        ),
        (
            {"objective": "dgrpo", "objective_options": {"bounds": {"jigsaw": [1, 0]}}},
            r"jigsaw is 1\.0 to 0\.0; the low one first",
        ),
        (
            {"objective": "ema_grpo", "objective_options": {"decay": 1}},
            r"decay is 1\.0; allowed: 0 to below 1",
        ),
    ],
)
def test_mistakes_are_answered_with_what_is_allowed(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        grpo(**settings)


def test_a_recipe_is_checked_before_torch_loads() -> None:
    code = "import sys, kuleshov.train.config; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_t_grpo_compares_with_the_shuffled_video() -> None:
    t_grpo = OBJECTIVES["t_grpo"]
    assert [t_grpo.twins(size) for size in (2, 3, 8)] == [1, 1, 4]
    frames = tuple(Frame("v", float(i), float(i)) for i in range(8))
    sample = Sample(
        id="s",
        task="anomaly",
        video_ids=("v",),
        split="train",
        media=(MediaItem(frames, 28, 28),),
        prompt="<video>",
        answer=[1.0, 2.0],
        form="tagged",
        knobs={},
        seed=0,
        chance=0.0,
    )
    twin = t_grpo.twin(sample)
    assert twin is not None and twin.media[0].edits[-1]["edit"] == "reorder"
    assert (twin.prompt, twin.answer) == (sample.prompt, sample.answer)
    # Means 0.5 against 0.25 and 0.75: only the first group earns, and what was given is kept.
    given = step([[1.0, 0.0], [1.0, 0.0]], [[0.25], [0.75]])
    got = t_grpo.rewards(given)
    assert torch.allclose(got[..., 0], torch.tensor([[1.3, 0.0], [1.0, 0.0]]))
    assert given.rewards[0, 0, 0] == 1.0


def test_dgrpo_scales_the_tasks_that_have_bounds() -> None:
    scaled = objective_of("dgrpo", {"bounds": {"anomaly": [0.2, 0.7]}}, {})
    got = scaled.rewards(step([[0.45, 0.9], [0.45, 0.9]]))
    # (0.45 - 0.2) / 0.5 = 0.5
    assert torch.allclose(got[..., 0], torch.tensor([[0.5, 1.0], [0.45, 0.9]]))


def test_dgrpo_acts_on_advantages_and_as_published_does_not() -> None:
    rewards = torch.tensor([[0.0, 1.0], [0.6, 1.0]])
    plain = group_advantages(rewards)
    # Means 0.5 and 0.8: weights 0.75 and 0.6.
    acts, _ = OBJECTIVES["dgrpo"].advantages(plain, rewards, ["anomaly", "jigsaw"], {})
    assert torch.allclose(acts, plain * torch.tensor([[0.75], [0.6]]))
    published = objective_of("dgrpo", {"weight": "rewards"}, {})
    weighed = published.rewards(step(rewards.tolist()))[..., 0]
    assert torch.allclose(weighed, rewards * torch.tensor([[0.75], [0.6]]))
    after, _ = published.advantages(group_advantages(weighed), weighed, ["anomaly", "jigsaw"], {})
    assert torch.allclose(after, plain, atol=1e-3)


def test_ema_grpo_scales_by_task_and_remembers() -> None:
    ema = objective_of("ema_grpo", {"decay": 0.5}, {})
    rewards = torch.tensor([[0.0, 1.0], [0.5, 0.5], [0.4, 0.6]])
    tasks = ["anomaly", "anomaly", "jigsaw"]
    got, memory = ema.advantages(torch.zeros(3, 2), rewards, tasks, {})
    # anomaly 0 1 0.5 0.5: mean 0.5, squares 1.5 / 4 = 0.375, std sqrt(0.125) = 0.353553, and
    # 0.5 / 0.353553 = 1.414214. jigsaw: mean 0.5, squares 0.26, std 0.1, and 0.1 / 0.1 = 1.
    want = torch.tensor([[-1.414214, 1.414214], [0.0, 0.0], [-1.0, 1.0]])
    assert torch.allclose(got, want, atol=1e-3)
    assert memory["anomaly"] == pytest.approx([0.5, 0.375])
    # Next: jigsaw alone, 1 1; half of the old and half of the new. anomaly stays.
    _, memory = ema.advantages(torch.zeros(1, 2), torch.ones(1, 2), ["jigsaw"], memory)
    assert memory["anomaly"] == pytest.approx([0.5, 0.375])
    assert memory["jigsaw"] == pytest.approx([0.75, 0.63])
