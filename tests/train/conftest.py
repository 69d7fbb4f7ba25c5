"""A small sample set and tiny models of all families, shared by all training tests."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kuleshov.clips import write_clips
from kuleshov.dataset import load_samples
from kuleshov.media import Renderer
from kuleshov.sample import Sample
from kuleshov.synthesize import MakeConfig, make
from kuleshov.train import tiny
from kuleshov.train.encode import Encoder

FRAMES = {"min_pixels": 56 * 56, "max_pixels": 56 * 56, "size_multiple": 28}
TASKS: dict[str, dict[str, Any]] = {
    "anomaly": {
        "num_frames": 8,
        "min_frames": 8,
        "min_segment": 2,
        "max_segment": 4,
        **FRAMES,
    },
    "jigsaw": {"num_clips": 3, "num_frames": 12, "min_frames": 12, **FRAMES},
}
"""One video of 8 frames, and three videos of 4 frames."""
VARIED: dict[str, dict[str, Any]] = {
    "jigsaw": TASKS["jigsaw"],
    "masked": {
        "fps": 4.0,
        "num_frames": 10,
        "min_frames": 8,
        "max_similarity": 0.9999,
        "num_targets": 2,
        "num_distractors": 2,
        "stills": "image",
        **FRAMES,
    },
    "text_order": {},
}
"""Three videos, one video and four images, and no media."""


class Setup(NamedTuple):
    """A family's tiny model on disk, its encoder, and samples of both tasks."""

    family: str
    folder: Path
    encoder: Encoder
    samples: list[Sample]
    data: Path

    @property
    def tiled(self) -> bool:
        """Whether frames are images to the model, one tile each."""
        return self.family == "internvl"

    def token(self, medium: str) -> int:
        """What stands in the prompt for each feature of an "image" or a "video"."""
        processor = self.encoder.processor
        return int(getattr(processor, f"{'image' if self.tiled else medium}_token_id"))

    def pixels(self, medium: str) -> str:
        """The name of the model's input."""
        return "pixel_values_videos" if medium == "video" and not self.tiled else "pixel_values"


def tower(model: Any) -> Any:
    """The vision tower of a model."""
    return model.model.vision_tower if hasattr(model.model, "vision_tower") else model.model.visual


@pytest.fixture(scope="session")
def data(short_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data")
    make(short_clips, out, MakeConfig(workers=0, tasks=TASKS, held_out=0.4))
    return out


@pytest.fixture(scope="session", params=tiny.FAMILIES)
def setup(
    request: pytest.FixtureRequest,
    data: Path,
    short_clips: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Setup:
    return _setup(request.param, data, short_clips, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def varied_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine samples, three of each task of `VARIED`."""
    out = tmp_path_factory.mktemp("varied")
    write_clips(out / "clips", 3, seed=7, workers=0)
    make(out / "clips", out / "data", MakeConfig(workers=0, tasks=VARIED, held_out=0.0))
    return out / "data"


@pytest.fixture(scope="session", params=tiny.FAMILIES)
def varied(
    request: pytest.FixtureRequest, varied_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Setup:
    """A family's tiny model and samples with several videos, videos and images, and neither."""
    clips = varied_data.parent / "clips"
    return _setup(request.param, varied_data, clips, tmp_path_factory.mktemp(request.param))


OPINIONATED: dict[str, Any] = {
    "repetition_penalty": 8.0,
    "no_repeat_ngram_size": 1,
    "min_p": 0.9,
    "top_k": 2,
    "top_p": 0.5,
    "temperature": 0.1,
    "bad_words_ids": [[token] for token in range(20, 200)],
    "do_sample": True,
}
"""Settings for a checkpoint's generation_config.json that change what it says in every way."""
OPEN, OPEN_LINE = "<think>", "<think>\n"
CLOSED = "<think>\n\n</think>\n\n"


def thinking(processor: Any, written: str) -> Any:
    """The processor with a chat template whose generation prompt ends in a thought.

    Args:
        processor: of one of the tiny models, whose generation prompt is that of the assistant's
            turn alone. It is not changed.
        written: the thought, such as `OPEN_LINE` (Qwen3-VL-Thinking) or `CLOSED` (Qwen3.5).
    """
    changed = copy.deepcopy(processor)
    changed.chat_template += (
        f"{{%- if add_generation_prompt -%}}{{{{- {json.dumps(written)} -}}}}{{%- endif -%}}"
    )
    return changed


def _setup(family: str, data: Path, clips: Path, folder: Path) -> Setup:
    logging.getLogger("transformers").setLevel(logging.ERROR)
    samples = load_samples(data, "train")
    _, processor = tiny.build(folder, [s.prompt for s in samples], family)
    return Setup(family, folder, Encoder(processor, Renderer(clips)), samples, data)
