from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText
from typer.testing import CliRunner

from benchmarks import any_model
from kuleshov.cli import app
from kuleshov.errors import UsageError
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.runner import evaluate
from kuleshov.train.config import TrainConfig
from kuleshov.train.model import check_processor, dtype_of, load_model, load_skeleton
from kuleshov.train.pipeline import train
from tests.train.conftest import Setup


def edited(file: str, **changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        whole = {**json.loads((folder / file).read_text()), **changes}
        kept = {key: value for key, value in whole.items() if value is not None}
        (folder / file).write_text(json.dumps(kept))

    return edit


def written(file: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / file).write_text(text)

    return write


def removed(pattern: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        for path in folder.glob(pattern):
            path.unlink()

    return remove


TEMPLATE, TOKENIZER = "chat_template.jinja", "tokenizer_config.json"
SPOILED: dict[str, tuple[Callable[[Path], None], str]] = {
    "no template": (
        removed(TEMPLATE),
        r"has no chat template, .*; put the one that belongs to the model into its folder",
    ),
    "a template that is none": (
        written(TEMPLATE, "{% if %}"),
        "fails on a question about a video: Expected an expression",
    ),
    "a template that refuses": (
        written(TEMPLATE, "{{ raise_exception('no videos here') }}"),
        "fails on a question about a video: no videos here; put the one that belongs",
    ),
    "a template of a text model": (
        written(TEMPLATE, "{% for m in messages %}{{ m.role + m.content }}{% endfor %}"),
        "fails on a question about a video: can only concatenate str",
    ),
    "a template without the text": (
        written(TEMPLATE, "{% for m in messages %}{{ m.role }}{% endfor %}"),
        "leaves out what is asked",
    ),
    "no pad token": (
        edited(TOKENIZER, pad_token=None),
        r"has no pad token to fill up .*; set one of its tokens as pad_token in its tokenizer_conf",
    ),
    "no end token": (
        edited(TOKENIZER, eos_token=None),
        "has no eos token to end an answer with; set one of its tokens as eos_token",
    ),
    "no tokenizer": (
        removed("tokenizer*"),
        r"the tokenizer of model .*loses|cannot be loaded",
    ),
    "a tokenizer that is none": (written("tokenizer.json", "{}"), "cannot be loaded"),
    "no processor": (removed("*processor*"), "cannot be loaded"),
    "a config that is none": (written("config.json", "{"), "cannot be loaded"),
    "a model of another kind": (edited("config.json", model_type="bert"), "cannot be loaded"),
    "an unknown kind": (edited("config.json", model_type="nothing"), "cannot be loaded"),
}


@pytest.fixture
def spoiled(setup: Setup, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(setup.folder, folder)
    SPOILED[request.param][0](folder)
    return folder


@pytest.mark.parametrize("spoiled", SPOILED, indirect=True)
def test_a_model_that_lacks_something_is_refused_with_what_to_do(
    spoiled: Path, request: pytest.FixtureRequest
) -> None:
    wanted = SPOILED[request.node.callspec.params["spoiled"]][1]
    for load in (load_model, load_skeleton):
        with pytest.raises(UsageError, match=wanted) as caught:
            load(str(spoiled))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [0, 7, 5000])
def test_weights_that_cannot_be_read_are_refused(setup: Setup, tmp_path: Path, cut: int) -> None:
    folder = tmp_path / "model"
    shutil.copytree(setup.folder, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:cut])
    with pytest.raises(UsageError, match=r"cannot be loaded: .*Give a Hugging Face name"):
        load_model(str(folder))


@pytest.mark.parametrize("spoiled", ["no template", "no pad token"], indirect=True)
def test_commands_say_it_in_a_line_before_work(setup: Setup, spoiled: Path, tmp_path: Path) -> None:
    """Without a run that was begun, an answer, or a step."""
    for asked in (
        ["train", str(setup.data), "-o", str(tmp_path / "run"), "--model", str(spoiled)],
        ["eval", str(spoiled), str(setup.data), "-o", str(tmp_path / "other")],
        ["check", str(setup.data), "--model", str(spoiled)],
    ):
        ran = CliRunner().invoke(app, asked)
        assert isinstance(ran.exception, UsageError)
        assert re.search(r"has no (chat template|pad token)", str(ran.exception))
    assert not list(tmp_path.rglob("metrics.jsonl")) and not list(tmp_path.rglob("results.jsonl"))
    with pytest.raises(UsageError, match=r"has no (chat template|pad token)"):
        train(setup.data, str(spoiled), tmp_path / "a", TrainConfig())
    with pytest.raises(UsageError, match=r"has no (chat template|pad token)"):
        evaluate(str(spoiled), setup.data, tmp_path / "b", EvalConfig())


def test_a_skeleton_has_all_but_weights(setup: Setup) -> None:
    model, _ = load_skeleton(str(setup.folder))
    whole, _ = load_model(str(setup.folder))
    assert {name: p.shape for name, p in model.named_parameters()} == {
        name: p.shape for name, p in whole.named_parameters()
    }
    assert all(p.device.type == "meta" for p in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_precision_of_weights_is_known(
    setup: Setup, tmp_path: Path, dtype: torch.dtype
) -> None:
    AutoModelForImageTextToText.from_pretrained(setup.folder, dtype=dtype).save_pretrained(tmp_path)
    assert dtype_of(str(tmp_path)) == dtype
    # Older checkpoints have the word torch_dtype, or none.
    config = json.loads((tmp_path / "config.json").read_text())
    parts = (config, config["text_config"], config["vision_config"])
    named = [part.pop("dtype", None) for part in parts]
    assert named[0] == str(dtype).removeprefix("torch.")
    for old in ({"torch_dtype": named[0]}, {}):
        (tmp_path / "config.json").write_text(json.dumps({**config, **old}))
        assert dtype_of(str(tmp_path)) == dtype


def test_a_processor_that_takes_no_template_is_not_asked_for_one(tmp_path: Path) -> None:
    """To put a template into its folder, as for others, would be no help."""
    reader = any_model.processor_class("instructblipvideo")
    words = any_model.tokenizer(["a b c"], reader)
    settings = any_model.config("instructblipvideo", words, {})
    made = any_model.processor("instructblipvideo", reader, words, settings)
    made.save_pretrained(tmp_path)
    assert (tmp_path / TEMPLATE).exists()
    with pytest.raises(UsageError, match=r"does not take the chat_template\.jinja in its folder"):
        check_processor(str(tmp_path), type(made).from_pretrained(tmp_path))
