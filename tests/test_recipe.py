from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kuleshov.errors import UsageError
from kuleshov.evaluate.config import EvalConfig
from kuleshov.recipe import SECTIONS, load, packaged, to_yaml
from kuleshov.synthesize import MakeConfig
from kuleshov.train.config import TrainConfig


def recipe(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def test_a_section_becomes_its_dataclass_and_flags_win(tmp_path: Path) -> None:
    path = recipe(tmp_path, "make:\n  seed: 3\n  per_video: 2\n  tasks: {jigsaw: {num_clips: 4}}\n")
    config = load(path, "make", MakeConfig, {"seed": 5, "workers": None})
    assert (config.seed, config.per_video, config.workers) == (5, 2, 0)
    assert config.tasks == {"jigsaw": {"num_clips": 4}}


def test_a_file_wins_over_what_the_caller_takes_by_default(tmp_path: Path) -> None:
    path = recipe(tmp_path, "make: {workers: 3}")
    assert load(path, "make", MakeConfig, {}, {"workers": None, "seed": 7}).workers == 3
    assert load(path, "make", MakeConfig, {}, {"workers": None, "seed": 7}).seed == 7
    assert load(None, "make", MakeConfig, {}, {"workers": None}).workers is None


def test_nested_sections_keep_their_other_defaults(tmp_path: Path) -> None:
    config = load(
        recipe(tmp_path, "train:\n  grpo: {steps: 7, extra: {loss_type: grpo}}\n"),
        "train",
        TrainConfig,
        {},
    )
    assert config.grpo.steps == 7 and config.grpo.extra == {"loss_type": "grpo"}
    assert config.grpo.group_size == TrainConfig().grpo.group_size


def test_a_missing_section_or_file_is_the_defaults(tmp_path: Path) -> None:
    assert load(None, "eval", EvalConfig, {}) == EvalConfig()
    assert load(recipe(tmp_path, "make: {seed: 1}"), "eval", EvalConfig, {}) == EvalConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("make: {per_vidoe: 2}", "unknown key in make 'per_vidoe'; did you mean 'per_video'"),
        ("train: {grpo: {group_sise: 2}}", "unknown key in train.grpo 'group_sise'"),
        ("trian: {}", r"unknown section in .* 'trian'; did you mean 'train'"),
        ("make: {per_video: many}", "make.per_video is 'many': Input should be a valid integer"),
        ("train: {grpo: {group_size: 1}}", "group_size is 1; allowed: 2 or more"),
        ("train: {grpo: {micro_batch: 5}}", r"micro_batch is 5; it must divide .* = 64"),
        ("eval: {conditions: [blnd]}", "unknown condition 'blnd'; did you mean 'blind'"),
        (
            "eval: {batch_size: 0}",
            "batch_size, max_completion_tokens and repeats must be 1 or more",
        ),
        ("eval: {temperature: -1}", r"temperature is -1\.0; allowed: 0 or more"),
        ("make: [1]", "section make is .*; allowed: a mapping of keys"),
        ("- 1", "a recipe has the sections"),
        ("make: {", "cannot be read as a recipe"),
    ],
)
def test_mistakes_are_answered_with_what_is_allowed(
    tmp_path: Path, text: str, message: str
) -> None:
    kinds = {"make": MakeConfig, "train": TrainConfig, "eval": EvalConfig}
    path = recipe(tmp_path, text)
    with pytest.raises(UsageError, match=message):
        for section, kind in kinds.items():
            load(path, section, kind, {})


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read as a recipe"):
        load(tmp_path / "no.yaml", "make", MakeConfig, {})


def test_a_resolved_config_reads_back_as_the_same(tmp_path: Path) -> None:
    config = TrainConfig(seed=4)
    path = recipe(
        tmp_path, "train:\n" + "".join(f"  {line}\n" for line in to_yaml(config).splitlines())
    )
    assert load(path, "train", TrainConfig, {}) == config


def test_every_recipe_of_the_project_is_valid() -> None:
    paths = sorted(packaged("demo.yaml").parent.rglob("*.yaml"))
    assert paths
    for path in paths:
        sections = yaml.safe_load(path.read_text())
        assert set(sections) <= set(SECTIONS)
        load(path, "make", MakeConfig, {}).built()
        load(path, "train", TrainConfig, {})
        load(path, "eval", EvalConfig, {})


def test_an_unknown_packaged_recipe_says_where_it_looked() -> None:
    with pytest.raises(UsageError, match=r"there is no recipe 'x\.yaml' in "):
        packaged("x.yaml")
