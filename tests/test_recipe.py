from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.evaluate.config import EvalConfig
from kuleshov.recipe import SECTIONS, _Loader, load, packaged, setting, to_yaml
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
    folder = packaged("demo.yaml").parent
    of_accelerate = set((folder / "accelerate").iterdir())
    paths = sorted(set(folder.rglob("*.yaml")) - of_accelerate)
    assert paths and of_accelerate
    for path in paths:
        sections = yaml.safe_load(path.read_text())
        assert set(sections) <= set(SECTIONS)
        load(path, "make", MakeConfig, {}).built()
        load(path, "train", TrainConfig, {})
        load(path, "eval", EvalConfig, {})


def test_an_unknown_packaged_recipe_says_where_it_looked() -> None:
    with pytest.raises(UsageError, match=r"there is no recipe 'x\.yaml' in "):
        packaged("x.yaml")


def test_one_key_is_set_and_its_neighbours_stay(tmp_path: Path) -> None:
    path = recipe(tmp_path, "train: {seed: 3, grpo: {steps: 7, extra: {loss_type: grpo}}}")
    sets = ["grpo.beta=0.04", "grpo.extra.epsilon=1e-1", "seed=5", "seed=6"]
    config = load(path, "train", TrainConfig, {"seed": 4}, sets=sets)
    assert (config.seed, config.grpo.steps, config.grpo.beta) == (6, 7, 0.04)
    assert config.grpo.extra == {"loss_type": "grpo", "epsilon": 0.1}
    assert config.grpo.group_size == TrainConfig().grpo.group_size


def test_a_knob_of_one_task_is_set_and_the_other_tasks_stay() -> None:
    config = load(None, "make", MakeConfig, {}, sets=["tasks.jigsaw.num_clips=4"])
    assert config.tasks == {**MakeConfig().tasks, "jigsaw": {"num_clips": 4}}


def test_values_are_yaml() -> None:
    sets = ["sft.steps=9", "sft.curriculum={jigsaw: 2}", "grpo.micro_batch=null"]
    config = load(None, "train", TrainConfig, {}, sets=sets)
    assert config.sft.curriculum == {"jigsaw": 2} and config.grpo.micro_batch is None
    sets = ["conditions=[full, blind, reversed]"]
    assert load(None, "eval", EvalConfig, {}, sets=sets).conditions == ("full", "blind", "reversed")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grpo.bta=1", "unknown key in train.grpo 'bta'; did you mean 'beta'"),
        ("gpro.beta=1", "unknown key in train 'gpro'; did you mean 'grpo'"),
        (
            "train.grpo.beta=1",
            "--set 'train.grpo.beta=1': keys start below train; leave out 'train.'",
        ),
        ("seed.x=1", "train.seed is 0, which has no key 'x'"),
        ("grpo.beta.x=1", "train.grpo.beta is 0.0, which has no key 'x'"),
        ("grpo.beta", "allowed: key=value with a dotted key, such as grpo.beta=0.04"),
        ("=3", "allowed: key=value with a dotted key"),
        ("grpo..beta=3", "allowed: key=value with a dotted key"),
        ("grpo.extra={", "--set 'grpo.extra': '{' is no YAML value"),
        ("seed=2020-99-99", "'2020-99-99' is no YAML value"),
        ("grpo.steps=many", "train.grpo.steps is 'many': Input should be a valid integer"),
    ],
)
def test_a_wrong_setting_is_answered_with_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(None, "train", TrainConfig, {}, sets=[text])
    assert message in str(caught.value) and "\n" not in str(caught.value)


NAMES = st.text(st.characters(exclude_characters=".=", categories=["L", "N", "P"]), min_size=1)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(names=st.lists(NAMES, min_size=1, max_size=4), value=VALUES)
def test_what_is_written_as_a_setting_is_read_as_it_was(names: list[str], value: object) -> None:
    text = json.dumps(value) if not isinstance(value, float) else repr(value)
    assume("Infinity" not in text and "inf" not in text and "\\u" not in text)
    assert setting(f"{'.'.join(names)}={text}") == (names, value)


@given(st.text())
def test_any_text_is_a_setting_or_refused_in_one_line(text: str) -> None:
    try:
        names, _ = setting(text)
    except UsageError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert names and all(names)


@given(st.text() | st.from_regex(r"[-+]?[0-9]+e[-+]?[0-9]+", fullmatch=True))
def test_any_text_survives_being_written_and_read(text: str) -> None:
    written = to_yaml(MakeConfig(column=text))
    assert yaml.load(written, Loader=_Loader)["column"] == text
