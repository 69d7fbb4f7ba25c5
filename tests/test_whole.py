from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kuleshov.errors import UsageError
from kuleshov.owned import set_mark
from kuleshov.whole import check_finished, check_logs, check_trained, declare, files_of, read


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with a finished cold start that has adapters, and a trained model."""
    run = tmp_path / "run"
    set_mark(run, "train")
    (run / "metrics.jsonl").write_text("{}\n")
    for phase, model in (("sft", run / "sft" / "model"), ("grpo", run / "model")):
        for folder in (model, run / phase / "adapter"):
            (folder / "more").mkdir(parents=True)
            for name in ("model.safetensors", "more/chat_template.jinja"):
                (folder / name).write_text(f"{name} of {phase}, {folder.name}")
        files = files_of(model) | files_of(run / phase / "adapter")
        declare(run, run / phase / "whole", {path: path for path in files})
    return run


def test_what_is_whole_is_listed_by_its_place_in_the_run(run: Path) -> None:
    told = read(run / "grpo" / "whole")
    assert {*told} == {
        *("model/model.safetensors", "model/more/chat_template.jinja", "metrics.jsonl"),
        *("grpo/adapter/model.safetensors", "grpo/adapter/more/chat_template.jinja"),
    }
    assert told["metrics.jsonl"]["size"] == 3
    for phase, model in (("sft", run / "sft" / "model"), ("grpo", run / "model")):
        check_finished(run, phase, model)
        check_trained(str(model))


def test_a_file_is_listed_by_the_name_that_it_is_about_to_get(tmp_path: Path) -> None:
    (now := tmp_path / "model.tmp" / "config.json").parent.mkdir()
    now.write_text("{}")
    declare(tmp_path, tmp_path / "sft" / "whole", {tmp_path / "model" / "config.json": now})
    (tmp_path / "model.tmp").rename(tmp_path / "model")
    check_finished(tmp_path, "sft", tmp_path / "model")


def swapped(run: Path, one: str, other: str) -> None:
    (run / one).rename(run / "aside")
    (run / other).rename(run / one)
    (run / "aside").rename(run / other)


HARMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "deleted": (lambda run: (run / "model/more/chat_template.jinja").unlink(), "chat_template"),
    "zeroed": (
        lambda run: (run / "model/model.safetensors").write_bytes(bytes(32)),
        r"model/model\.safetensors has",
    ),
    "emptied": (lambda run: shutil.rmtree(run / "model/more"), "chat_template.jinja is missing"),
    "models exchanged": (lambda run: swapped(run, "model", "sft/model"), "model/model.safetensors"),
    "of another phase": (lambda run: swapped(run, "grpo/whole", "sft/whole"), "grpo/whole says"),
    "no list": (lambda run: (run / "grpo/whole").write_text("x"), "grpo/whole is no list"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_finished_model_that_was_harmed_is_named_with_the_remedy(run: Path, harm: str) -> None:
    change, told = HARMS[harm]
    change(run)
    with pytest.raises(UsageError, match=rf"{told}.*Put back.*remove \S+/model"):
        check_finished(run, "grpo", run / "model")
    if harm == "of another phase":
        return  # both are there, and as they were
    with pytest.raises(UsageError, match=told):
        check_trained(str(run / "model"))


def test_adapters_belong_to_what_is_whole(run: Path) -> None:
    (run / "sft" / "adapter" / "model.safetensors").write_text("other")
    with pytest.raises(UsageError, match=r"sft/adapter/model\.safetensors has"):
        check_finished(run, "sft", run / "sft" / "model")


def test_a_model_of_before_there_were_lists_is_taken_with_one_warning_and_listed(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (run / "grpo" / "whole").unlink()
    (run / "model" / "README.md").write_text("the card")
    for _ in range(2):
        check_trained(str(run / "model"))
        check_finished(run, "grpo", run / "model")
    assert caplog.text.count("has no list of its files") == 1
    (run / "model" / "README.md").write_text("another card")
    check_finished(run, "grpo", run / "model")
    (run / "model" / "model.safetensors").write_text("other")
    with pytest.raises(UsageError, match=r"model/model\.safetensors has"):
        check_finished(run, "grpo", run / "model")


def test_other_models_are_taken_as_they_are(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "model", tmp_path / "copy")
    (tmp_path / "copy" / "model.safetensors").write_text("other")
    (run / "model" / "README.md").write_text("mine, and not listed")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "whole").write_text("a word in a file of somebody")
    for model in (tmp_path / "copy", run / "model", tmp_path / "theirs", "Qwen/Qwen3-VL-2B"):
        check_trained(str(model))


def test_logs_may_grow_and_what_they_lost_is_told(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = run / "metrics.jsonl"
    log.write_text("{}\n{}\n")
    check_logs(run, run / "grpo" / "whole")
    assert not caplog.text
    log.write_text("{")
    check_logs(run, run / "grpo" / "whole")
    assert "metrics.jsonl has 1 bytes in the place of 3" in caplog.text


@pytest.mark.parametrize("told", ["[]", "1", '{"../x": {}}', '{"/../x": {}}', "[" * 99999])
def test_a_list_that_is_none_is_refused(tmp_path: Path, told: str) -> None:
    (tmp_path / "whole").write_text(told)
    with pytest.raises(UsageError, match="whole is no list of files"):
        read(tmp_path / "whole")
    for entry in ("1", "{}", '{"size": "x", "hash": 1}'):
        (tmp_path / "whole").write_text(f'{{"model/a": {entry}}}')
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / "a").touch()
        assert json.loads((tmp_path / "whole").read_text())
        with pytest.raises(UsageError, match="model/a is listed without its size and hash"):
            (tmp_path / "sft").mkdir(exist_ok=True)
            (tmp_path / "sft" / "whole").write_text((tmp_path / "whole").read_text())
            check_finished(tmp_path, "sft", tmp_path / "model")
