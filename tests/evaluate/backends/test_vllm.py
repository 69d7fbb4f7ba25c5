"""What is handed to vLLM, against the schema of its prompts. vLLM itself is not run."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kuleshov.errors import UsageError
from kuleshov.evaluate.backends.backend import Request
from kuleshov.evaluate.backends.vllm import VLLM, prompt
from kuleshov.evaluate.config import EvalConfig
from kuleshov.sample import Frame, MediaItem, Sample

# As in vLLM 0.33.0:
#   vllm/inputs/llm.py                      class TextPrompt(_PromptOptions)
#   vllm/multimodal/parse.py                MultiModalDataParser._parse_video_data: a list of
#                                           (array of 4 dimensions, metadata)
#   vllm/model_executor/models/qwen3_vl.py  _get_video_second_idx reads fps, frames_indices,
#                                           do_sample_frames; the rest goes to transformers'
#                                           VideoMetadata(**metadata)
PROMPT = {"prompt", "multi_modal_data", "mm_processor_kwargs", "multi_modal_uuids", "cache_salt"}
METADATA = {
    "total_num_frames": int,
    "fps": float,
    "duration": float,
    "frames_indices": list,
    "do_sample_frames": bool,
}


class Processor:
    def apply_chat_template(self, chat: Any, tokenize: bool, add_generation_prompt: bool) -> str:
        assert not tokenize and add_generation_prompt
        parts = chat[0]["content"]
        return "".join(part.get("text", f"<|{part['type']}|>") for part in parts) + "assistant:"


def request() -> Request:
    """A video whose clock is uneven, then an image."""
    media = (
        MediaItem((Frame("v", 9.0, 0.0), Frame("v", 8.0, 0.5), Frame("v", 8.0, 2.0)), 4, 6),
        MediaItem((Frame("v", 7.0, 3.0),), 4, 6),
    )
    sample = Sample("s", "jigsaw", ("v",), "held_out", media, "<video> <image>?", [1, 2],
                    "direct", {}, 0, 0.5)  # fmt: skip
    pixels = np.arange(4 * 4 * 6 * 3, dtype=np.uint8).reshape(4, 4, 6, 3)
    return Request(sample, [pixels[:3], pixels[3:]], seed=5)


def test_a_request_fits_the_schema_of_a_text_prompt() -> None:
    given = prompt(request(), Processor())
    assert set(given) <= PROMPT and given["prompt"] == "<|video|> <|image|>?assistant:"
    data = given["multi_modal_data"]
    assert set(data) == {"video", "image"}
    ((frames, metadata),) = data["video"]
    assert frames.dtype == np.uint8 and frames.shape == (3, 4, 6, 3)
    assert {key: type(value) for key, value in metadata.items()} == METADATA
    # Qwen3-VL takes index / fps as the time of a frame.
    assert [i / metadata["fps"] for i in metadata["frames_indices"]] == [0.0, 0.5, 2.0]
    assert metadata["do_sample_frames"] is False and metadata["total_num_frames"] == len(frames)
    (image,) = data["image"]
    assert image.shape == (4, 6, 3)


def test_a_question_without_videos_names_none() -> None:
    sample = replace(request().sample, media=(), prompt="Why?")
    assert prompt(Request(sample, []), Processor())["multi_modal_data"] == {}


def test_answers_are_read_in_the_order_of_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    vllm = ModuleType("vllm")
    asked: list[tuple[list[Any], list[Any]]] = []

    class LLM:
        def __init__(self, model: str, seed: int) -> None:
            assert (model, seed) == ("m", 3)

        def generate(self, prompts: list[Any], settings: list[Any], use_tqdm: bool) -> list[Any]:
            asked.append((prompts, settings))
            done = [
                SimpleNamespace(text=f"answer {s.seed}", finish_reason="stop") for s in settings
            ]
            return [SimpleNamespace(prompt_token_ids=[1, 2, 3], outputs=[one]) for one in done]

    vllm.LLM = LLM  # type: ignore[attr-defined]
    vllm.SamplingParams = SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setattr("transformers.AutoProcessor.from_pretrained", lambda name: Processor())
    backend = VLLM("m", EvalConfig(backend="vllm", batch_size=2, seed=3, temperature=0.5))
    requests = [replace(request(), seed=seed) for seed in (5, 6, 7)]
    replies = [reply for _, reply in backend.ask(requests)]
    assert [reply.text for reply in replies] == ["answer 5", "answer 6", "answer 7"]
    assert [len(prompts) for prompts, _ in asked] == [2, 1]
    settings = asked[0][1][0]
    assert (settings.temperature, settings.max_tokens) == (0.5, 128)
    reply = replies[0]
    assert (reply.num_frames, reply.num_tokens, reply.finish) == (4, 3, "stop")
    assert reply.seconds == [[0.0, 0.5, 2.0], [3.0]] and reply.sizes == [[4, 6], [4, 6]]


def test_without_vllm_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UsageError, match="backend vllm needs vllm"):
        VLLM("m", EvalConfig(backend="vllm"))
