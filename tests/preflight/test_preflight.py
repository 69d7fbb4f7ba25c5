from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from benchmarks import any_model
from benchmarks.outside_models import prepare
from kuleshov.cli import app
from kuleshov.clips import write_clips
from kuleshov.dataset import load_samples
from kuleshov.media import Renderer
from kuleshov.preflight import Subject, look, preflight
from kuleshov.preflight.checks import CHECKS
from kuleshov.preflight.findings import FINE, NOTE, SKIPPED, WARNING, WRONG, Found, Report
from kuleshov.synthesize import MakeConfig, make
from kuleshov.train import tiny
from kuleshov.train.config import GRPOSettings, LoRASettings, SFTSettings, TrainConfig
from kuleshov.train.model import load_model
from tests.train.conftest import TASKS
from tests.train.hybrids import HYBRIDS, build

CONFIG = TrainConfig(
    report_to=[],
    sft=SFTSettings(steps=1),
    grpo=GRPOSettings(prompts_per_step=2, group_size=3, max_completion_tokens=8),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("preflight")
    write_clips(folder / "clips", 4, seed=7, workers=0)
    make(folder / "clips", folder / "data", MakeConfig(workers=0, tasks=TASKS, held_out=0.0))
    return folder / "data"


@pytest.fixture(scope="module")
def folders(data: Path) -> Callable[[str], Path]:
    """The folder of a family's tiny model, built once."""

    def folder(family: str) -> Path:
        found = data.parent / family
        if not found.exists():
            texts = [sample.prompt for sample in load_samples(data)]
            (build if family in HYBRIDS else tiny.build)(found, texts, family)
        return found

    return folder


def statuses(found: list[Found]) -> dict[str, str]:
    return {one.name: one.status for one in found}


@pytest.mark.parametrize("family", [*tiny.FAMILIES, *HYBRIDS])
def test_a_right_model_is_ready(family: str, data: Path, folders: Callable[[str], Path]) -> None:
    report = preflight(str(folders(family)), data, CONFIG)
    told = statuses(list(report.found))
    assert list(told) == ["model", *CHECKS]
    assert set(told.values()) <= {FINE, NOTE, WARNING}, report.text()
    assert told["sees"] == told["frames"] == told["answer"] == told["cached"] == FINE
    shared = family in (*tiny.FAMILIES, "qwen3_vl_moe")
    assert told["shared"] == (FINE if shared else NOTE)
    # Which an untrained model cannot hide.
    assert told["answers"] == WARNING and "max_completion_tokens" in report.found[-2].remedy
    assert report.verdict == "ready, with warnings"
    step = report.found[-1].figures
    assert step["completions"] == 6 and step["seconds"] > 0 and step["peak_bytes"] > 0
    assert (step["planned_bytes"] is None) == family.startswith("internvl")


def test_the_model_on_disk_stays_as_it_is(data: Path, folders: Callable[[str], Path]) -> None:
    folder = folders("qwen3_vl")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    beside = set(data.rglob("*"))
    preflight(str(folder), data, CONFIG)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert set(data.rglob("*")) == beside


def subject(folder: Path, data: Path, spoil: Callable[[Any, Any], None]) -> Subject:
    model, processor = load_model(str(folder))
    spoil(model.eval(), processor)
    clips = Renderer(data.parent / "clips")
    return Subject(model, processor, load_samples(data), clips, CONFIG, str(folder))


def tokens_without_features(model: Any, processor: Any) -> None:
    model.base_model.visual.register_forward_hook(_without_half)


def _without_half(module: Any, args: Any, output: Any) -> Any:
    output.pooler_output = output.pooler_output[: len(output.pooler_output) // 2]
    return output


def more_tokens_than_features(model: Any, processor: Any) -> None:
    processor.video_processor.merge_size = 1


def features_that_are_not_read(model: Any, processor: Any) -> None:
    def blank(module: Any, args: Any, output: Any) -> Any:
        output.pooler_output = output.pooler_output * 0
        if getattr(output, "deepstack_features", None):
            output.deepstack_features = [layer * 0 for layer in output.deepstack_features]
        return output

    model.base_model.visual.register_forward_hook(blank)


def resamples(model: Any, processor: Any) -> None:
    """A frame is shown as the one before it, whatever is asked for."""
    reader = processor.video_processor
    kind = type(reader)

    class Resampling(kind):  # type: ignore[misc, valid-type]
        def preprocess(self, videos: Any, **kwargs: Any) -> Any:
            return super().preprocess([_held(video) for video in videos], **kwargs)

    reader.__class__ = Resampling


def _held(video: torch.Tensor) -> torch.Tensor:
    held = video.clone()
    if len(held) > 5:
        held[5] = held[4]
    return held


def drops_frames(model: Any, processor: Any) -> None:
    reader = processor.video_processor
    kind = type(reader)

    class Dropping(kind):  # type: ignore[misc, valid-type]
        def preprocess(self, videos: Any, **kwargs: Any) -> Any:
            return super().preprocess([video[::2] for video in videos], **kwargs)

    reader.__class__ = Dropping


def moves_frames(model: Any, processor: Any) -> None:
    reader = processor.video_processor
    kind = type(reader)

    class Moving(kind):  # type: ignore[misc, valid-type]
        def preprocess(self, videos: Any, **kwargs: Any) -> Any:
            return super().preprocess([video.flip(0) for video in videos], **kwargs)

    reader.__class__ = Moving


def template_without_video(model: Any, processor: Any) -> None:
    processor.chat_template = (
        "{%- for m in messages -%}<|im_start|>{{ m.role }}\n{%- for p in m.content -%}"
        "{{ p.text if p.type == 'text' }}{%- endfor -%}<|im_end|>\n{%- endfor -%}"
        "<|im_start|>assistant\n"
    )


def wrong_end_token(model: Any, processor: Any) -> None:
    processor.tokenizer.eos_token = "<|endoftext|>"
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id


def wrong_end_token_in_one_place(model: Any, processor: Any) -> None:
    """The model stops at the right one, and targets end in the wrong one."""
    processor.tokenizer.eos_token = "<|endoftext|>"


def leaks(model: Any, processor: Any) -> None:
    def causal(module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = kwargs.get("attention_mask")
        if mask is not None and mask.dim() == 4 and mask.size(-1) == mask.size(-2):
            every = torch.ones(mask.shape[-2:], dtype=torch.bool).tril()[None, None]
            kwargs = {**kwargs, "attention_mask": every}
        return args, kwargs

    model.register_forward_pre_hook(causal, with_kwargs=True)


def ignores_order(model: Any, processor: Any) -> None:
    """Frames are sorted by brightness before the tower sees them."""
    reader = processor.video_processor
    kind = type(reader)

    class Sorting(kind):  # type: ignore[misc, valid-type]
        def preprocess(self, videos: Any, **kwargs: Any) -> Any:
            ordered = [v[v.flatten(1).float().mean(1).argsort()] for v in videos]
            return super().preprocess(ordered, **kwargs)

    reader.__class__ = Sorting


SPOILED: dict[Callable[[Any, Any], None], tuple[str, str, str]] = {
    tokens_without_features: ("prompt", WRONG, ""),
    more_tokens_than_features: ("prompt", WRONG, "tokens"),
    features_that_are_not_read: ("sees", WRONG, "does not see the video"),
    drops_frames: ("prompt", WRONG, ""),
    resamples: ("frames", WRONG, "frames [5] do not reach the model"),
    moves_frames: ("frames", WRONG, "are elsewhere"),
    ignores_order: ("sees", WRONG, "the order of frames changes nothing"),
    template_without_video: ("prompt", WRONG, ""),
    wrong_end_token: ("answer", WRONG, "ends an answer with '<|im_end|>'"),
    wrong_end_token_in_one_place: ("answer", NOTE, "targets end with '<|endoftext|>'"),
    leaks: ("shared", WARNING, "leak into each other"),
}
"""What is wrong with a model: the check that finds it, how it says it."""


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_a_spoiled_model_is_found(
    family: str,
    spoil: Callable[[Any, Any], None],
    data: Path,
    folders: Callable[[str], Path],
) -> None:
    name, status, text = SPOILED[spoil]
    found = look(subject(folders(family), data, spoil))
    (one,) = (f for f in found if f.name == name)
    assert one.status == status and text in one.text, one
    if status == WRONG:
        report = Report("m", "s", found, 1.0)
        assert report.verdict == "not ready"
        needs = {n for n, check in CHECKS.items() if name in check.needs}
        assert all(f.status == SKIPPED for f in found if f.name in needs)


def test_models_that_cannot_be_loaded_are_a_finding(data: Path, tmp_path: Path) -> None:
    report = preflight(str(tmp_path / "nothing"), data, CONFIG)
    assert statuses(list(report.found)) == {"model": WRONG} and report.verdict == "not ready"


def test_what_there_was_no_time_for_is_said(data: Path, folders: Callable[[str], Path]) -> None:
    report = preflight(str(folders("qwen3_vl")), data, CONFIG, seconds=0.0)
    assert set(statuses(list(report.found)[1:]).values()) == {SKIPPED}
    assert report.verdict == "unknown" and "--seconds" in report.text()


def test_a_step_of_adapters_counts_them_only(data: Path, folders: Callable[[str], Path]) -> None:
    from dataclasses import replace

    folder = str(folders("qwen3_vl"))
    whole = preflight(folder, data, CONFIG).found[-1].figures["planned_bytes"]
    few = preflight(folder, data, replace(CONFIG, lora=LoRASettings(rank=2))).found[-1]
    assert few.figures["planned_bytes"] < whole


def test_the_command_prints_text_and_json(data: Path, folders: Callable[[str], Path]) -> None:
    given = ["preflight", str(folders("qwen3_vl")), str(data), "--set", "grpo.prompts_per_step=2"]
    given += ["--set", "grpo.group_size=2", "--set", "grpo.max_completion_tokens=4"]
    text = CliRunner().invoke(app, given)
    assert text.exit_code == 0 and "verdict: ready, with warnings" in text.stdout
    assert all(f" {name} " in text.stdout for name in CHECKS)
    told = CliRunner().invoke(app, [*given, "--json"])
    parsed = json.loads(told.stdout.strip().splitlines()[-1])
    assert parsed["verdict"] == "ready, with warnings"
    assert [check["name"] for check in parsed["checks"]] == ["model", *CHECKS]
    assert parsed["versions"]["transformers"]


def test_the_command_fails_where_a_training_would(
    data: Path, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    model, processor = load_model(str(folders("qwen3_vl")))
    processor = copy.deepcopy(processor)
    template_without_video(model, processor)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    result = CliRunner().invoke(app, ["preflight", str(folder), str(data)])
    assert result.exit_code == 1 and "WRONG     prompt" in result.stdout
    assert "Traceback" not in result.output


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("others"))


@pytest.mark.parametrize("kind", ["qwen2_vl", "llava_onevision", "video_llama_3", "smolvlm"])
def test_other_families_are_ready_too(kind: str, others: Path) -> None:
    folder = others / kind
    any_model.build(folder, kind, [sample.prompt for sample in load_samples(others / "set")])
    report = preflight(str(folder), others / "set", CONFIG)
    told = statuses(list(report.found))
    assert list(told) == ["model", *CHECKS] and not {WRONG, SKIPPED} & set(told.values())
    assert told["sees"] == told["backends"] == FINE, report.text()
