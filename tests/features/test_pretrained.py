"""Tiny random models of the real classes, saved with their processors: no downloads."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    BitImageProcessor,
    Blip2Config,
    Blip2Model,
    BlipImageProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    Siglip2Config,
    Siglip2ImageProcessor,
    Siglip2Model,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

from kuleshov.clips import clip
from kuleshov.errors import UsageError
from kuleshov.features import features
from kuleshov.features.pretrained import KINDS, Pretrained
from kuleshov.read import read
from kuleshov.sample import Video
from kuleshov.synthesize import MakeConfig, make

LAYERS: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
VISION: dict[str, Any] = {**LAYERS, "image_size": 32, "patch_size": 8}
WORDS: dict[str, Any] = {
    **LAYERS,
    "vocab_size": 99,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
SQUARE = {"height": 32, "width": 32}


def _clip() -> tuple[Any, Any]:
    config = CLIPConfig(text_config=WORDS, vision_config=VISION, projection_dim=12)
    return CLIPModel(config), CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=SQUARE)


def _siglip() -> tuple[Any, Any]:
    config = SiglipConfig(text_config=WORDS, vision_config=VISION)
    return SiglipModel(config), SiglipImageProcessor(size=SQUARE)


def _siglip2() -> tuple[Any, Any]:
    config = Siglip2Config(
        text_config=WORDS, vision_config={**LAYERS, "patch_size": 8, "num_patches": 16}
    )
    return Siglip2Model(config), Siglip2ImageProcessor(patch_size=8, max_num_patches=16)


def _dinov2() -> tuple[Any, Any]:
    config = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    return Dinov2Model(config), BitImageProcessor(size={"shortest_edge": 36}, crop_size=SQUARE)


def _blip2() -> tuple[Any, Any]:
    config = Blip2Config(
        vision_config=VISION,
        qformer_config={**LAYERS, "vocab_size": 99, "encoder_hidden_size": 16},
        text_config={
            "model_type": "opt",
            "hidden_size": 16,
            "ffn_dim": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "vocab_size": 99,
            "word_embed_proj_dim": 16,
        },
        num_query_tokens=4,
    )
    return Blip2Model(config), BlipImageProcessor(size=SQUARE)


MODELS: dict[str, tuple[Callable[[], tuple[Any, Any]], tuple[int, int], int]] = {
    "clip": (_clip, (32, 32), 12),
    "siglip": (_siglip, (32, 32), 16),
    "siglip2": (_siglip2, (32, 32), 16),
    "dinov2": (_dinov2, (36, 36), 16),
    "blip-2": (_blip2, (32, 32), 16),
}
"""For each type how it is made, the size of its frames, and of its vectors."""

every_type = pytest.mark.parametrize("kind", MODELS)
Saved = dict[str, tuple[Path, Any, Any]]


def save(kind: str, folder: Path, seed: int = 0) -> tuple[Path, Any, Any]:
    torch.manual_seed(seed)
    model, processor = MODELS[kind][0]()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder, model.eval(), processor


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return {kind: save(kind, tmp_path_factory.mktemp("model")) for kind in MODELS}


@torch.no_grad()
def embedded(kind: str, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """The image embedding by way of the whole model, as its own documentation shows."""
    if kind == "dinov2":
        return model(**inputs).last_hidden_state[:, 0]  # type: ignore[no-any-return]
    if kind == "blip-2":
        return model.get_qformer_features(**inputs).mean(dim=1)  # type: ignore[no-any-return]
    return model.get_image_features(**inputs).pooler_output  # type: ignore[no-any-return]


@every_type
def test_frames_become_the_unit_vectors_of_the_model(saved: Saved, kind: str) -> None:
    folder, model, processor = saved[kind]
    embed = Pretrained(str(folder))
    _, size, dimensions = MODELS[kind]
    assert embed.size == size
    # More than one batch.
    frames = np.random.default_rng(0).integers(0, 256, (35, *size, 3), dtype=np.uint8)
    vectors = embed(frames)
    assert vectors.shape == (35, dimensions) and vectors.dtype == np.float64
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    wanted = embedded(kind, model, processor(images=list(frames), return_tensors="pt"))
    wanted = wanted / wanted.norm(dim=1, keepdim=True)
    assert np.abs(vectors - wanted.numpy()).max() < 1e-5
    # Different frames, different vectors; the same ones to the last bit, alone or not.
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4
    assert (vectors == Pretrained(str(folder))(frames)).all()


def test_dinov2_loses_what_its_processor_crops_and_no_more(saved: Saved) -> None:
    folder, _, _ = saved["dinov2"]
    embed = Pretrained(str(folder))
    frames = np.stack([clip(1, 1, seconds=1)[0][:36, :36]] * 3)
    frames[1, :2], frames[2, 2] = 255, 255  # 36 to 32 pixels: 2 on each side
    vectors = embed(frames)
    assert (vectors[0] == vectors[1]).all() and (vectors[0] != vectors[2]).any()


def test_every_kind_is_tested() -> None:
    assert set(MODELS) | {"dinov2_with_registers"} == set(KINDS)


def test_the_number_of_threads_is_left_as_it_was(saved: Saved) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    Pretrained(str(saved["clip"][0]))(np.zeros((1, 32, 32, 3), np.uint8))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_other_weights_at_the_same_path_are_another_embedder(tmp_path: Path, clips: Path) -> None:
    video = next(item for item in read(clips) if isinstance(item, Video))
    from kuleshov.features import embedder

    found = []
    for seed in (0, 1, 0):
        save("clip", tmp_path / "model", seed)
        embedder.cache_clear()  # another process
        found.append(features(video, [0.5, 1.0], str(tmp_path / "model")))
    assert (found[0] == found[2]).all() and (found[0] != found[1]).any()


def test_the_version_tells_configs_and_weights_apart(saved: Saved, tmp_path: Path) -> None:
    folder = saved["clip"][0]
    version = Pretrained(str(folder)).version
    shutil.copytree(folder, tmp_path / "copy")
    assert Pretrained(str(tmp_path / "copy")).version == version
    config = tmp_path / "copy" / "preprocessor_config.json"
    config.write_text(config.read_text().replace("0.48145466", "0.5"))
    assert Pretrained(str(tmp_path / "copy")).version != version


def test_samples_are_made_with_a_model_by_its_folder(
    saved: Saved, clips: Path, tmp_path: Path
) -> None:
    # A random model sees little difference between frames.
    knobs = {"embedder": str(saved["clip"][0]), "max_similarity": 0.99999, "fps": 2.0}
    summary = make(clips, tmp_path / "none", MakeConfig(workers=0, tasks={"masked": knobs}))
    again = make(clips, tmp_path / "one", MakeConfig(workers=1, tasks={"masked": knobs}))
    assert summary["samples"] == again["samples"] != {}
    for path in (tmp_path / "none" / "samples").iterdir():
        assert path.read_bytes() == (tmp_path / "one" / "samples" / path.name).read_bytes()


@pytest.mark.parametrize("name", ["thumbnial/of/old", "nowhere"])
def test_a_model_that_is_not_there_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"cannot be loaded: .* Give the built-in") as error:
        _ = Pretrained(name).size
    assert "\n" not in str(error.value)


def test_a_model_of_another_type_is_refused(tmp_path: Path) -> None:
    BertModel(BertConfig(**WORDS)).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="type 'bert'; allowed: clip, siglip, siglip2, dinov2"):
        _ = Pretrained(str(tmp_path)).size


def test_a_model_that_lacks_weights_is_refused(saved: Saved, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(saved["dinov2"][0], tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    del weights["layernorm.weight"]
    save_file(weights, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    embed = Pretrained(str(tmp_path / "model"))
    with pytest.raises(UsageError, match=r"lacks weights such as 'layernorm\.weight'"):
        embed(np.zeros((1, 36, 36, 3), np.uint8))


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_without_transformers_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=r"pip install 'kuleshov\[train\]'"):
        _ = Pretrained("openai/clip-vit-base-patch32").size
