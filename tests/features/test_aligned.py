"""Frames and texts in one space, by tiny random models that are saved with a tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import Blip2ForImageTextRetrieval, BlipImageProcessor, PreTrainedTokenizerFast

from kuleshov.clips import clip
from kuleshov.errors import UsageError
from kuleshov.features.pretrained import ALIGNED, Pretrained
from tests.features.test_pretrained import LAYERS, SQUARE, VISION, save

WORDS = ["<s>", "</s>", "<unk>", "a", "ball", "light", "flashes", "falls", "twice"]
TEXTS = ["a light flashes twice", "ball falls"]


def save_aligned(kind: str, folder: Path, seed: int = 0) -> Path:
    if kind == "blip-2":
        from transformers import Blip2Config

        torch.manual_seed(seed)
        config = Blip2Config(
            vision_config=VISION,
            qformer_config={
                **LAYERS,
                "vocab_size": 99,
                "encoder_hidden_size": 16,
                "use_qformer_text_input": True,
            },
            text_config={"model_type": "opt", "hidden_size": 16, "vocab_size": 99},
            num_query_tokens=4,
            image_text_hidden_size=12,
        )
        model = Blip2ForImageTextRetrieval(config)
        torch.nn.init.normal_(model.query_tokens)
        model.save_pretrained(folder)
        BlipImageProcessor(size=SQUARE).save_pretrained(folder)
    else:
        save(kind, folder, seed)
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    tokenizer = Tokenizer(WordLevel(vocabulary, "<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="</s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: save_aligned(kind, tmp_path_factory.mktemp("aligned")) for kind in ALIGNED}


@torch.no_grad()
def reference(kind: str, folder: Path, texts: list[str], images: list[Any]) -> torch.Tensor:
    """Cosines of each image (rows) and text by way of the whole model."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    pixels = processor(images=images, return_tensors="pt")
    if kind == "blip-2":
        model = Blip2ForImageTextRetrieval.from_pretrained(folder).eval()
        tokens = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
        # Its cosines of every query; one vector for a frame is the mean of the queries.
        one = [
            model(pixels["pixel_values"][i : i + 1].expand(len(texts), -1, -1, -1), **tokens)
            for i in range(len(images))
        ]
        frames = torch.stack([out.image_embeds[0].mean(dim=0) for out in one])
        words = one[0].text_embeds
    else:
        model = transformers.AutoModel.from_pretrained(folder).eval()
        padding: dict[str, Any] = {"padding": True}
        if kind != "clip":
            padding = {"padding": "max_length", "max_length": 64, "truncation": True}
        tokens = tokenizer(texts, **padding, return_tensors="pt")
        tokens.pop("token_type_ids", None)
        if kind != "clip":
            tokens.pop("attention_mask")
        both = model(**tokens, **pixels)
        frames, words = both.image_embeds, both.text_embeds
    return torch.nn.functional.cosine_similarity(frames[:, None], words[None], dim=-1)


@pytest.mark.parametrize("kind", ALIGNED)
def test_cosines_of_frames_and_texts_are_those_of_the_model(
    aligned: dict[str, Path], kind: str
) -> None:
    model = Pretrained(str(aligned[kind]), ALIGNED)
    frames = clip(1, 1, seconds=1)[[0, 5, 11]][:, :32, :32]
    assert model.size == (32, 32)
    cosines = model(frames) @ model.texts(TEXTS).T
    wanted = reference(kind, aligned[kind], TEXTS, list(frames))
    assert cosines == pytest.approx(wanted.numpy(), abs=1e-5)
    assert np.ptp(cosines) > 1e-4


@pytest.mark.parametrize("kind", ["clip", "blip-2"])
def test_a_text_does_not_depend_on_those_beside_it(aligned: dict[str, Path], kind: str) -> None:
    model = Pretrained(str(aligned[kind]), ALIGNED)
    assert model.texts(TEXTS)[1] == pytest.approx(model.texts(TEXTS[1:])[0], abs=1e-6)


def test_a_text_longer_than_the_model_takes_is_cut(aligned: dict[str, Path]) -> None:
    vectors = Pretrained(str(aligned["clip"]), ALIGNED).texts(["ball " * 500])
    assert np.linalg.norm(vectors[0]) == pytest.approx(1)


def test_models_without_texts_are_refused(aligned: dict[str, Path], tmp_path: Path) -> None:
    folder = save("dinov2", tmp_path / "model")[0]
    with pytest.raises(UsageError, match="'dinov2'; allowed: clip, siglip, siglip2, blip-2"):
        Pretrained(str(folder), ALIGNED).texts(TEXTS)
    with pytest.raises(UsageError, match="embeds no texts; give one of"):
        Pretrained(str(folder)).texts(TEXTS)
