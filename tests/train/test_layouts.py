"""Families whose layout of pixels is none of those of the tiny models: built from the registry."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.any_model import build
from kuleshov.errors import MissingVideoError, UsageError
from kuleshov.media import Renderer
from kuleshov.sample import Sample
from kuleshov.train.encode import Encoded, Encoder, alike, batch, join_videos
from kuleshov.train.guard import guard
from kuleshov.train.model import load_model
from kuleshov.train.tower import Tower

KINDS = ("qwen2_vl", "llava_onevision", "video_llama_3", "smolvlm")


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
    kind, folder = family
    model, _ = load_model(str(folder))
    assert alike(prompts) == (kind != "llava_onevision")
    if not alike(prompts):
        with pytest.raises(UsageError, match="videos of as many frames each in one batch"):
            join_videos(prompts)
    inputs = Tower(0).inputs(model, prompts)
    padded = batch([Encoded(p.input_ids, p.token_types, {}, p.sample) for p in prompts], 0)
    together = model(**padded, **inputs).logits[:, -1]
    alone = torch.cat([model(**batch([prompt], 0)).logits[:, -1] for prompt in prompts])
    assert (together - alone).abs().max() < 1e-3
    (gradient,) = torch.autograd.grad(together.sum(), [next(iter(_tower(model)))])
    assert gradient.abs().sum() > 0


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
