"""Families whose layout of pixels is none of those of the tiny models: built from the registry."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from benchmarks.any_model import build, config, processor, processor_class, tokenizer
from kuleshov.errors import MissingVideoError, UsageError
from kuleshov.media import Renderer
from kuleshov.sample import Reward, Sample
from kuleshov.train import encode, grpo
from kuleshov.train.config import DPOSettings, GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.encode import Encoded, Encoder, batch, join_videos
from kuleshov.train.guard import guard
from kuleshov.train.model import load_model
from kuleshov.train.pipeline import train
from kuleshov.train.tower import NOTHING_KEPT, Tower

KINDS = ("qwen2_vl", "llava_onevision", "video_llama_3", "smolvlm", "internvl")


@pytest.fixture(scope="module", params=KINDS)
def family(
    request: pytest.FixtureRequest,
    varied_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    build(
        folder, request.param, ["When was it changed? Answer between <answer> and </answer>."] * 3
    )
    return request.param, folder


@pytest.fixture
def prompts(family: tuple[str, Path], samples: list[Sample], clips: Path) -> list[Encoded]:
    """One video of 8 frames, and three of 4."""
    encode = Encoder(load_model(str(family[1]))[1], Renderer(clips))
    return [encode(next(s for s in samples if s.task == task)) for task in ("anomaly", "jigsaw")]


@pytest.fixture(scope="module")
def samples(data: Path) -> list[Sample]:
    from kuleshov.dataset import load_samples

    return load_samples(data)


@pytest.fixture(scope="module")
def clips(short_clips: Path) -> Path:
    return short_clips


def test_every_frame_has_its_features(family: tuple[str, Path], prompts: list[Encoded]) -> None:
    model, _ = load_model(str(family[1]))
    guard(model)
    for prompt in prompts:
        inputs = batch([prompt], 0)
        assert model(**inputs).logits.shape[1] == len(prompt.input_ids)
        blind = {key: value for key, value in inputs.items() if key not in prompt.videos}
        with pytest.raises(MissingVideoError, match="features for 0 reach the model"):
            model(**blind)


def test_prompts_of_other_frames_go_together(
    family: tuple[str, Path], prompts: list[Encoded]
) -> None:
    model, _ = load_model(str(family[1]))
    guard(model)
    alone = torch.cat([model(**batch([prompt], 0)).logits[:, -1] for prompt in prompts])
    for tower in (NOTHING_KEPT, Tower()):
        padded = batch([Encoded(p.input_ids, p.token_types, {}, p.sample) for p in prompts], 0)
        with torch.set_grad_enabled(tower is NOTHING_KEPT), tower.between_updates():
            together = model(**padded, **tower.inputs(model, prompts)).logits[:, -1]
        assert (together - alone).abs().max() < 1e-3
        if together.requires_grad:
            (gradient,) = torch.autograd.grad(together.sum(), [next(iter(_tower(model)))])
            assert 0 < gradient.abs().sum() < float("inf")


def test_prompts_of_other_sizes_go_together(
    family: tuple[str, Path], samples: list[Sample], clips: Path
) -> None:
    model, processor = load_model(str(family[1]))
    guard(model)
    encode = Encoder(processor, Renderer(clips))
    sample = next(s for s in samples if s.task == "anomaly")
    (item,) = sample.media
    wide = replace(sample, media=(replace(item, width=84, frames=item.frames[:6]),), knobs={})
    prompts = [encode(sample), encode(wide)]
    alone = torch.cat([model(**batch([prompt], 0)).logits[:, -1] for prompt in prompts])
    assert (model(**batch(prompts, 0)).logits[:, -1] - alone).abs().max() < 1e-3


def test_what_fills_up_videos_goes_no_further(
    family: tuple[str, Path], prompts: list[Encoded]
) -> None:
    """Neither in `generate` nor in a copy of a model, which has a tower of its own."""
    kind, folder = family
    if kind != "llava_onevision":
        pytest.skip("nothing is filled up")
    model, _ = load_model(str(folder))
    guard(model)
    copied = copy.deepcopy(model)
    with torch.no_grad():
        for weight in _tower(model):
            weight.zero_()
    settings = GenerationConfig(max_new_tokens=6, do_sample=False, pad_token_id=0)

    def written(prompts: list[Encoded]) -> torch.Tensor:
        inputs = batch(prompts, 0)
        ids = copied.generate(**inputs, generation_config=settings)
        return torch.as_tensor(ids[:, inputs["input_ids"].size(1) :])

    assert torch.equal(written(prompts), torch.cat([written([prompt]) for prompt in prompts]))
    assert copied(**batch(prompts, 0)).logits.isfinite().all()
    assert "pixel_values_videos" in batch(prompts, 0)


def test_rows_of_other_sizes_are_refused_in_words(
    family: tuple[str, Path], prompts: list[Encoded]
) -> None:
    if family[0] != "llava_onevision":
        pytest.skip("any size goes with any other")
    one, other = prompts
    halved = {key: value[..., ::2] for key, value in other.videos.items()}
    with pytest.raises(UsageError, match=r"pixel_values_videos of one size in a batch.*56, 28"):
        join_videos([one, replace(other, videos=halved)])


TOGETHER = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1}
APART = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 4}


def _steps(phase: str, extra: dict[str, int]) -> TrainConfig:
    own: dict[str, Any] = {"steps": 1, "batch_size": 4, "extra": extra}
    grpo = GRPOSettings(steps=0)
    if phase == "sft":
        return TrainConfig(report_to=[], sft=SFTSettings(**own), grpo=grpo)
    if phase == "dpo":
        dpo = DPOSettings(share_prompts=False, **own)
        return TrainConfig(report_to=[], dpo=dpo, grpo=grpo)
    sizes: dict[str, Any] = {"prompts_per_step": 2, "group_size": 2, "max_completion_tokens": 4}
    grpo = GRPOSettings(steps=1, share_prompts=False, extra=extra, **sizes)
    return TrainConfig(report_to=[], grpo=grpo)


@pytest.mark.parametrize("phase", ["sft", "dpo", "grpo"])
def test_videos_of_other_lengths_are_trained_on_together(
    phase: str,
    family: tuple[str, Path],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, folder = family
    if kind != "llava_onevision":
        pytest.skip("nothing is filled up")
    longest = []
    join = encode.join_videos

    def joined(prompts: Any) -> Any:
        longest.append(len({prompt.videos["pixel_values_videos"].shape[1] for prompt in prompts}))
        return join(prompts)

    for module in (encode, grpo):
        monkeypatch.setattr(module, "join_videos", joined)
    monkeypatch.setattr(grpo, "score", _any_score)
    logged: list[dict[str, Any]] = []
    for name, extra in (("together", TOGETHER), ("apart", APART)):
        train(data, str(folder), tmp_path / name, _steps(phase, extra), figures=_into(logged))
    together, apart = (one for one in logged if "grad_norm" in one)
    assert max(longest) == 2  # so that there was something to fill up
    assert together["grad_norm"] > 0
    assert together["grad_norm"] == pytest.approx(apart["grad_norm"], rel=1e-3)
    assert together["loss"] == pytest.approx(apart["loss"], abs=1e-5)


def _any_score(sample: Sample, text: str) -> Reward:
    """Some reward that differs by what was written."""
    return Reward(answer=text, total=len(set(text)) / 10)


def _into(logged: list[dict[str, Any]]) -> Callable[..., None]:
    return lambda *told: logged.append(told[3])


def _tower(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [w for n, w in model.named_parameters() if "vis" in n and w.dim() > 1]


def test_nothing_is_dropped(family: tuple[str, Path], prompts: list[Encoded]) -> None:
    kind, folder = family
    encode = Encoder(load_model(str(folder))[1], lambda s: [])
    assert encode.follows_frames
    # Whole seconds of SmolVLM, one rate of none: a sentence says what they do not.
    assert encode.tells_times == (kind == "video_llama_3")


def test_a_processor_that_picks_frames_is_refused(
    family: tuple[str, Path],
    samples: list[Sample],
    clips: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, folder = family
    if kind != "llava_onevision":
        pytest.skip("its features are counted")
    processor = load_model(str(folder))[1]
    encode = Encoder(processor, Renderer(clips))
    monkeypatch.setattr(Encoder, "follows_frames", False)
    with pytest.raises(UsageError, match="as much of 8 frames as of 4"):
        encode(next(s for s in samples if s.task == "anomaly"))


OTHERS = {
    "kimi_k25": "video_grid_thw has 2 rows; expected: 1, one for each video",
    "ernie4_5_vl_moe": "patch of pixel_values_videos holds 1 frames.*temporal_patch_size is 2",
    "molmo2": r"none of the tokens that the processor names.*\(<\|image\|>, <\|video\|>\)",
    "minicpmv4_7": r"pixel_values_videos has the shape \(1, 3, 14, \d+\); expected: a tile for",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_layouts_are_refused_with_what_they_are(
    kind: str, samples: list[Sample], clips: Path
) -> None:
    reader = processor_class(kind)
    words = tokenizer([sample.prompt for sample in samples], reader)
    made = processor(kind, reader, words, config(kind, words, {}))
    with pytest.raises((UsageError, MissingVideoError), match=OTHERS[kind] + ".*layouts that docs"):
        Encoder(made, Renderer(clips))(next(s for s in samples if s.task == "anomaly"))
