from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from trl import GRPOConfig

from kuleshov.errors import UsageError
from kuleshov.recipe import build, load, packaged
from kuleshov.train.config import GRPOSettings, TrainConfig
from kuleshov.train.objective_table import OBJECTIVES, objective_of

RECIPES = sorted((packaged("demo.yaml").parent / "objectives").glob("*.yaml"))


def grpo(**changes: Any) -> GRPOSettings:
    return build(GRPOSettings, changes, "train.grpo")


def arguments(out: Path, **flags: Any) -> dict[str, Any]:
    """All arguments of TRL as they are with these flags."""
    config = GRPOConfig(str(out), report_to=[], bf16=False, **flags)
    return {field.name: getattr(config, field.name) for field in fields(GRPOConfig)}


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
            {"objective": "reg_grpo", "micro_batch": 4},
            "reg_grpo compares all completions .* a multiple of group_size .*got micro_batch: 4, ",
        ),
        (
            {"objective": "reg_grpo", "share_prompts": False},
            "reg_grpo compares all completions .*share_prompts: false",
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
