from __future__ import annotations

import copy
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForImageTextToText, GenerationConfig
from typer.testing import CliRunner

from kuleshov.cli import app
from kuleshov.errors import UsageError
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.runner import evaluate
from kuleshov.recipe import build
from kuleshov.run import environment
from kuleshov.sample import Frame, MediaItem, Sample
from kuleshov.train.config import GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.encode import Encoder, batch, vision_tokens
from kuleshov.train.grpo import VideoGRPOTrainer, row
from kuleshov.train.pipeline import train
from kuleshov.train.positions import (
    INSTALLED,
    LARGEST_PLUS_ONE,
    behind_each_other,
    blank,
    clock,
    coarse_clocks,
    finest_fps,
    place,
    placed,
    positions_of,
)
from kuleshov.train.prefix import Group, pack, prompt_positions
from kuleshov.train.rollout import generate
from kuleshov.train.vllm_rollout import check_positions
from tests.test_sample import a_sample
from tests.train.conftest import Setup
from tests.train.test_grpo import arguments, graded


def shown(fps: float, frames: int, prompt: str = "<video> When?") -> Sample:
    """One video of 56 x 56 pixels: four tokens for each pair of frames."""
    told = tuple(Frame("v", 0.0, i / fps) for i in range(frames))
    items = tuple(MediaItem(told, 56, 56) for _ in range(prompt.count("<video>")))
    return replace(a_sample(), prompt=prompt, media=items)


def load(setup: Setup, ticks: int | None = None) -> Any:
    """The tiny model, with so many positions in time for each second if it has such a number."""
    model = AutoModelForImageTextToText.from_pretrained(setup.folder).eval()
    if ticks is not None and setup.family == "qwen2_5_vl":
        model.config.vision_config.tokens_per_second = ticks
    return model


def test_stretches_stand_behind_each_other() -> None:
    # Two words; a video of 3 pictures of 1 x 2 tokens, two ticks apart; two words that start at
    # 2 + max(1, 2), as transformers has it, within the video, which lasts to 6.
    time = [0, 1, 2, 2, 4, 4, 6, 6, 4, 5]
    row = [0, 1, 2, 2, 2, 2, 2, 2, 4, 5]
    column = [0, 1, 2, 3, 2, 3, 2, 3, 4, 5]
    types = [0, 0, 2, 2, 2, 2, 2, 2, 0, 0]
    moved = behind_each_other(torch.tensor([time, row, column]), types)
    assert moved.tolist() == [[*time[:8], 7, 8], [*row[:8], 7, 8], [*column[:8], 7, 8]]
    # What is behind already stays where it is.
    assert torch.equal(behind_each_other(moved, types), moved)


def by_hand(setup: Setup, model: Any, sample: Sample) -> torch.Tensor:
    """The published rule, written anew: text counts on, and starts behind all that was before."""
    prompt = Encoder(setup.encoder.processor, blank)(sample)
    assert prompt.token_types is not None
    ticks = getattr(model.config.vision_config, "tokens_per_second", None)
    seconds = prompt.videos.get("second_per_grid_ts", torch.zeros(0)).tolist()
    grids = prompt.videos["video_grid_thw"].tolist()
    where: list[list[int]] = []
    place, types, video = 0, prompt.token_types.tolist(), 0
    while place < len(types):
        start = max((max(axes) for axes in where), default=-1) + 1
        if types[place] == 0:
            where.append([start] * 3)
            place += 1
            continue
        steps, down, right = grids[video]
        # Qwen3-VL writes a time before each picture: a stretch is one of them.
        for t in range(steps if ticks else 1):
            time = int(t * seconds[video] * ticks) if ticks else 0
            for y in range(down // 2):
                for x in range(right // 2):
                    where.append([start + time, start + y, start + x])
                    place += 1
        if ticks or types[place:].count(2) <= sum(t * 4 for t, *_ in grids[video + 1 :]):
            video += 1
    return torch.tensor(where).T


@pytest.mark.parametrize("sample", [shown(1, 8), shown(2, 12, "<video> or <video>?")])
def test_positions_are_those_of_the_published_rule(setup: Setup, sample: Sample) -> None:
    if setup.tiled:
        pytest.skip("one axis")
    model = load(setup)
    prompt = Encoder(setup.encoder.processor, blank)(sample)
    before = prompt_positions(model, prompt)
    place(model, LARGEST_PLUS_ONE)
    found, wanted = prompt_positions(model, prompt), by_hand(setup, model, sample)
    assert found.tolist() == wanted.tolist()
    assert placed(model) == LARGEST_PLUS_ONE
    assert placed(copy.deepcopy(model)) == LARGEST_PLUS_ONE
    # Only Qwen2.5-VL's clock runs ahead of its rows and columns.
    assert (before.tolist() != wanted.tolist()) == (setup.family == "qwen2_5_vl")
    opinions = positions_of(model, prompt)
    assert opinions[INSTALLED].equal(before) and opinions[LARGEST_PLUS_ONE].equal(found)
    place(model, INSTALLED)
    assert prompt_positions(model, prompt).equal(before) and placed(model) == INSTALLED


def test_a_model_of_one_axis_has_one_opinion(setup: Setup) -> None:
    if not setup.tiled:
        pytest.skip("three axes")
    model = load(setup)
    prompt = setup.encoder(setup.samples[0])
    before = prompt_positions(model, prompt)
    place(model, LARGEST_PLUS_ONE)
    assert prompt_positions(model, prompt).equal(before)


def test_unknown_positions_are_refused(setup: Setup) -> None:
    with pytest.raises(UsageError, match="unknown positions 'largest'; did you mean"):
        place(load(setup), "largest")
    for kind, section in ((TrainConfig, "train"), (EvalConfig, "eval")):
        message = f"unknown {section}.positions 'instaled'; did you mean 'installed'"
        with pytest.raises(UsageError, match=message):
            build(kind, {"positions": "instaled"}, section)
    values = {"positions": LARGEST_PLUS_ONE, "backend": "openai", "endpoint": "http://a/v1"}
    with pytest.raises(UsageError, match="with backend openai; where an endpoint puts tokens"):
        build(EvalConfig, values, "eval")


@torch.no_grad()
def test_rollouts_losses_and_evaluation_have_the_same(setup: Setup) -> None:
    model, encoder = load(setup), Encoder(setup.encoder.processor, blank)
    prompts = [encoder(shown(1, 8)), encoder(shown(2, 12, "<video> or <video>?"))]
    pad = encoder.processor.tokenizer.pad_token_id
    settings = GenerationConfig(
        max_new_tokens=8,
        pad_token_id=pad,
        do_sample=False,
        suppress_tokens=vision_tokens(model.config),
    )
    written = {}
    for positions in (INSTALLED, LARGEST_PLUS_ONE):
        place(model, positions)
        # Rollouts from shared prompts, and `generate`, which evaluation calls.
        shared = generate(model, prompts, [0, 0, 1], pad, settings)
        inputs = batch([prompts[0], prompts[0], prompts[1]], pad)
        plain = model.generate(**inputs, generation_config=settings)
        assert torch.equal(shared, plain[:, inputs["input_ids"].size(1) :])
        # The loss of shared prompts, of plain rows, and of rows whose positions are given.
        completion = encoder.answer_ids("12")
        packed = pack(model, [Group(prompts[1], [completion, completion])])
        row, first = packed.places[1]
        a = model(**packed.inputs).logits[row, first - 1 : first - 1 + len(completion)]
        b = model(**batch([prompts[1]], pad, [completion])).logits[0, -len(completion) - 1 : -1]
        assert torch.allclose(a, b, atol=1e-4)
        if not setup.tiled:
            told = positions_of(model, prompts[1])[positions]
            after = told[:, -1:] + 1 + torch.arange(len(completion))
            given = torch.cat([told, after], dim=1)[:, None]
            one = batch([prompts[1]], pad, [completion])
            c = model(**one, position_ids=given).logits[0, -len(completion) - 1 : -1]
            assert torch.allclose(b, c, atol=1e-4)
        written[positions] = b
    apart = (written[INSTALLED] - written[LARGEST_PLUS_ONE]).abs().max().item()
    assert (apart > 1e-3) == (setup.family == "qwen2_5_vl")


def test_the_reference_model_has_the_positions_of_the_policy(setup: Setup, tmp_path: Path) -> None:
    if setup.tiled:
        pytest.skip("one axis")
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    place(model, LARGEST_PLUS_ONE)
    trainer = VideoGRPOTrainer(
        model,
        reward_funcs=[graded],
        args=arguments(setup, tmp_path, beta=0.1),
        train_dataset=Dataset.from_list([row(sample) for sample in setup.samples]),
        processing_class=setup.encoder.processor,
        encoder=setup.encoder,
    )
    assert placed(trainer.model) == placed(trainer.ref_model) == LARGEST_PLUS_ONE
    trainer.train()
    # They are one model still, so that they are not apart.
    assert trainer.state.log_history[0]["kl"] == pytest.approx(0.0, abs=1e-6)


def test_a_recipe_sets_them_for_all_phases(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setup.family != "qwen2_5_vl":
        pytest.skip("one opinion")
    losses = {}
    for positions in (INSTALLED, LARGEST_PLUS_ONE):
        config = TrainConfig(
            positions=positions,
            sft=SFTSettings(steps=1, batch_size=4),
            grpo=GRPOSettings(steps=1, prompts_per_step=2, group_size=2, max_completion_tokens=4),
        )
        run = tmp_path / positions
        model = train(setup.data, str(setup.folder), run, config)
        first = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
        losses[positions] = first["loss"]
        assert environment(run)["settings"]["positions"] == positions
        card = (model / "README.md").read_text()
        assert ("| positions | largest_plus_one" in card) == (positions == LARGEST_PLUS_ONE)
    assert losses[INSTALLED] != pytest.approx(losses[LARGEST_PLUS_ONE], abs=1e-4)


def test_evaluation_has_them_and_writes_them_down(setup: Setup, tmp_path: Path) -> None:
    config = EvalConfig(batch_size=4, max_completion_tokens=6, conditions=("full",))
    for positions in (INSTALLED, LARGEST_PLUS_ONE):
        settings = replace(config, positions=positions)
        results = evaluate(str(setup.folder), setup.data, tmp_path / positions, settings)
        assert {result.positions for result in results} == {positions}
        assert environment(tmp_path / positions)["positions"] == positions
    with pytest.raises(UsageError, match="positions = installed, not largest_plus_one"):
        changed = replace(config, positions=LARGEST_PLUS_ONE)
        evaluate(str(setup.folder), setup.data, tmp_path / INSTALLED, changed)


def test_a_model_trained_with_others_is_told_of(
    setup: Setup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if setup.family != "qwen2_5_vl":
        pytest.skip("one opinion")
    config = TrainConfig(
        positions=LARGEST_PLUS_ONE,
        sft=SFTSettings(steps=1, batch_size=4),
        grpo=GRPOSettings(steps=0),
    )
    model = train(setup.data, str(setup.folder), tmp_path / "run", config)
    asked = EvalConfig(batch_size=4, max_completion_tokens=4, conditions=("full",))
    caplog.clear()
    evaluate(str(model), setup.data, tmp_path / "same", replace(asked, positions=LARGEST_PLUS_ONE))
    assert "was trained with positions" not in caplog.text
    evaluate(str(model), setup.data, tmp_path / "other", asked)
    said = "was trained with positions: largest_plus_one and is asked with installed"
    assert said in caplog.text


# Ticks of half a second: pairs of frames at 8 fps are half a tick apart, at 4 fps one.
@pytest.mark.parametrize(
    ("fps", "frames", "apart"), [(8, 8, 2), (16, 8, 1), (4, 8, 4), (5, 8, 3), (1, 8, 4)]
)
def test_a_coarse_clock_is_found_by_what_the_model_makes_of_it(
    setup: Setup, fps: float, frames: int, apart: int
) -> None:
    model = load(setup, ticks=2)
    prompt = Encoder(setup.encoder.processor, blank)(shown(fps, frames))
    found = clock(model, prompt)
    if setup.family == "qwen2_5_vl":
        assert (found.steps, found.apart) == ((4,), (apart,))
        assert any(found.coarse) == (apart < 4)
        assert finest_fps(model, prompt) == 4.0
        # Four ticks a second are twice as fine.
        assert finest_fps(load(setup, ticks=4), prompt) == 8.0
    else:
        assert not any(found.coarse) and not found.overlaps
        assert finest_fps(model, prompt) is None


def test_what_is_said_counts_videos(setup: Setup) -> None:
    model = load(setup, ticks=2)
    encoder = Encoder(setup.encoder.processor, blank)
    slow, fast, fastest = (encoder(shown(fps, 8)) for fps in (2, 8, 16))
    said = coarse_clocks(model, {"a": [slow, fast, fastest], "b": [slow]})
    if setup.family != "qwen2_5_vl":
        assert said == {}
        return
    assert said.keys() == {"a"}
    assert said["a"].startswith(
        "in 2 of 3 videos several frame pairs share one position in time, in 1 of them all do"
    )
    assert "(make.max_fps: 4)" in said["a"]


def coarse_model(setup: Setup, folder: Path) -> Path:
    """The tiny model on disk with one position for two seconds, if it has such a number."""
    shutil.copytree(setup.folder, folder)
    config = json.loads((folder / "config.json").read_text())
    if setup.family == "qwen2_5_vl":
        config["vision_config"]["tokens_per_second"] = 1
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_check_training_and_evaluation_say_so(
    setup: Setup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = str(coarse_model(setup, tmp_path / "model"))
    said = "several frame pairs share one position in time"
    coarse = setup.family == "qwen2_5_vl"
    ran = CliRunner().invoke(app, ["check", str(setup.data), "--model", model])
    assert ran.exit_code == 0, ran.output
    assert ("warning: note: jigsaw: in " in ran.output and said in ran.output) == coarse
    assert ("stands at times within it" in ran.output) == coarse
    caplog.clear()
    config = EvalConfig(batch_size=4, max_completion_tokens=4, conditions=("full",))
    evaluate(model, setup.data, tmp_path / "eval", config)
    assert (said in caplog.text) == coarse
    caplog.clear()
    settings = TrainConfig(sft=SFTSettings(steps=1, batch_size=4), grpo=GRPOSettings(steps=0))
    train(setup.data, model, tmp_path / "train", settings)
    assert (said in caplog.text) == coarse


def test_check_names_samples_that_the_model_cannot_be_asked(setup: Setup, tmp_path: Path) -> None:
    if setup.tiled:
        pytest.skip("squeezes frames into its tiles")
    folder = tmp_path / "model"
    shutil.copytree(setup.folder, folder)
    path = folder / "processor_config.json"
    whole = json.loads(path.read_text())
    whole["video_processor"]["merge_size"] = 3  # sides must be multiples of 42 pixels
    path.write_text(json.dumps(whole))
    ran = CliRunner().invoke(app, ["check", str(setup.data), "--model", str(folder)])
    assert ran.exit_code == 1 and f"for {folder}" in ran.output.replace("\n", "")


def stand_in_of_vllm(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """A `vllm` whose class of every model says where tokens are."""

    class Kind:
        def get_mrope_input_positions(self, tokens: list[int], features: list[Any]) -> Any:
            assert vars(self)["config"].vision_config  # as vLLM's functions read it
            return answer(tokens, features), 0

    class Lazy:
        def load_model_cls(self) -> type[Kind]:
            return Kind

    vllm = ModuleType("vllm")
    registry = type("ModelRegistry", (), {"models": {}})
    for name in ("Qwen2_5_VLForConditionalGeneration", "Qwen3VLForConditionalGeneration"):
        registry.models[name] = Lazy()  # type: ignore[attr-defined]
    vllm.ModelRegistry = registry  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", vllm)


def test_vllm_must_have_the_same(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    if setup.tiled:
        pytest.skip("vLLM is not asked with tiles")
    model, sample = load(setup), shown(1, 8, "<video> or <video>?")
    prompt = Encoder(setup.encoder.processor, blank)(sample)
    opinions = positions_of(model, prompt)
    seen: list[tuple[str, int, list[int]]] = []

    def largest(tokens: list[int], features: list[Any]) -> torch.Tensor:
        assert tokens == prompt.input_ids.tolist()
        for one in features:
            grid = one.data[f"{one.modality}_grid_thw"].data.tolist()
            seen.append((one.modality, one.mm_position.offset, grid))
        return opinions[LARGEST_PLUS_ONE]

    stand_in_of_vllm(monkeypatch, largest)
    place(model, LARGEST_PLUS_ONE)
    check_positions(model, prompt)
    place(model, INSTALLED)
    if setup.family != "qwen2_5_vl":
        check_positions(model, prompt)  # one opinion, so that nobody is asked
        assert seen == []
        return
    assert prompt.token_types is not None
    first = prompt.token_types.tolist().index(2)
    assert seen[0] == ("video", first, [4, 4, 4]) and len(seen) == 2
    with pytest.raises(UsageError, match=r"Set positions: largest_plus_one in train and eval"):
        check_positions(model, prompt)
    stand_in_of_vllm(monkeypatch, lambda *asked: opinions[INSTALLED] + 1)
    with pytest.raises(UsageError, match="puts them elsewhere still"):
        check_positions(model, prompt)
    stand_in_of_vllm(monkeypatch, lambda *asked: opinions[INSTALLED])
    check_positions(model, prompt)


def test_a_vllm_that_cannot_be_asked(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if setup.family != "qwen2_5_vl":
        pytest.skip("one opinion")
    from kuleshov.train import vllm_rollout

    vllm_rollout._warn_unasked.cache_clear()
    monkeypatch.setitem(sys.modules, "vllm", ModuleType("vllm"))
    model, prompt = load(setup), Encoder(setup.encoder.processor, blank)(shown(1, 8))
    for _ in range(2):
        check_positions(model, prompt)
    assert caplog.text.count("cannot be asked where it puts tokens behind a video") == 1
    place(model, LARGEST_PLUS_ONE)
    with pytest.raises(UsageError, match=r"cannot be asked where it puts them\. Leave positions"):
        check_positions(model, prompt)
