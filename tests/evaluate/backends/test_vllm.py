"""What vLLM is asked, with a stand-in that does what its documents say; vLLM itself is not run."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from kuleshov.controls import control
from kuleshov.errors import UsageError
from kuleshov.evaluate.backends.backend import Reply, Request
from kuleshov.evaluate.backends.encoding import Encoding
from kuleshov.evaluate.backends.transformers import Transformers
from kuleshov.evaluate.backends.vllm import VLLM
from kuleshov.evaluate.config import EvalConfig
from kuleshov.generation import Sampling
from kuleshov.train.encode import vision_tokens
from tests.train.conftest import OPEN_LINE, Setup, data, setup, thinking
from tests.train.test_vllm_rollout import as_vllm_expands
from tests.train.vllm_samples import MIXED, noise

__all__ = ["data", "setup"]
CONFIG = EvalConfig(backend="vllm", batch_size=2, seed=3, temperature=0.5)


class LLM:
    """A `vllm.LLM` that makes tokens of prompts, and answers with the seed.

    Args:
        processor: what it makes them with.
        drops: tokens that it loses at the end of each prompt.
    """

    def __init__(self, processor: Any, drops: int = 0) -> None:
        self.processor, self.drops = processor, drops
        self.asked: list[tuple[list[Any], list[Any]]] = []

    def generate(self, prompts: list[Any], settings: list[Any], use_tqdm: bool) -> list[Any]:
        self.asked.append((prompts, settings))
        return [self._output(*pair) for pair in zip(prompts, settings, strict=True)]

    def _output(self, prompt: dict[str, Any], setting: Any) -> Any:
        made = as_vllm_expands(self.processor, prompt)
        written = SimpleNamespace(text=f"answer {setting.seed}", finish_reason="stop")
        return SimpleNamespace(prompt_token_ids=made[: len(made) - self.drops], outputs=[written])


def installed(monkeypatch: pytest.MonkeyPatch, setup: Setup, llm: LLM) -> VLLM:
    """The backend, around a stand-in of vLLM."""
    vllm = ModuleType("vllm")

    def made(model: str, seed: int) -> LLM:
        assert (model, seed) == (str(setup.folder), CONFIG.seed)
        return llm

    vllm.LLM = made  # type: ignore[attr-defined]
    vllm.SamplingParams = SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    return VLLM(str(setup.folder), CONFIG)


def requests(setup: Setup) -> list[Request]:
    """A question of each task, one of them under a control, and one with images."""
    one, *_, other = setup.samples
    shown = [one, control(other, "reversed")]
    asked = [Request(s, setup.encoder.render(s), seed=5 + i) for i, s in enumerate(shown)]
    return [*asked, Request(MIXED, noise(MIXED), seed=7)]


def answered(backend: Any, asked: list[Request]) -> list[Reply]:
    return [reply for _, reply in backend.ask(asked)]


def test_vllm_is_asked_what_training_asks_and_answers_in_order(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setup.tiled:
        pytest.skip("vLLM is not asked with tiles")
    llm = LLM(setup.encoder.processor)
    asked = requests(setup)
    replies = answered(installed(monkeypatch, setup, llm), asked)
    assert [reply.text for reply in replies] == ["answer 5", "answer 6", "answer 7"]
    assert [len(prompts) for prompts, _ in llm.asked] == [2, 1]
    settings = llm.asked[0][1][0]
    assert (settings.temperature, settings.max_tokens) == (0.5, 128)
    told = Sampling().named(0.5)
    assert {key: getattr(settings, key) for key in told} == told
    assert [reply.sampling for reply in replies] == [told] * 3
    unsaid = vision_tokens(AutoConfig.from_pretrained(setup.folder))
    assert settings.logit_bias == dict.fromkeys(unsaid, -100.0) and len(unsaid) == 4
    # Images with sizes of their own stay as they are.
    assert llm.asked[1][0][0]["mm_processor_kwargs"]["size"]["shortest_edge"] == 1
    for request, reply in zip(asked, replies, strict=True):
        assert reply.num_tokens == len(Encoding(setup.encoder.processor)(request).input_ids)
        assert reply.seconds == request.seconds() and reply.sizes == request.sizes()
        # A video of an odd number of frames is filled up to a pair by the processor.
        assert reply.num_frames >= sum(len(frames) for frames in request.pixels)


def test_a_completion_begins_with_the_thought_that_the_prompt_opened(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setup.tiled:
        pytest.skip("vLLM is not asked with tiles")
    shutil.copytree(setup.folder, tmp_path / "model")
    processor = thinking(setup.encoder.processor, OPEN_LINE)
    processor.save_pretrained(tmp_path / "model")
    changed = setup._replace(folder=tmp_path / "model")
    replies = answered(installed(monkeypatch, changed, LLM(processor)), requests(setup)[:1])
    assert [reply.text for reply in replies] == [f"{OPEN_LINE}answer 5"]


def test_what_is_written_down_is_what_transformers_writes_down(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setup.tiled:
        pytest.skip("vLLM is not asked with tiles")
    torch.set_num_threads(1)
    asked = requests(setup)
    ours = answered(installed(monkeypatch, setup, LLM(setup.encoder.processor)), asked)
    config = EvalConfig(batch_size=2, max_completion_tokens=1)
    theirs = answered(Transformers(str(setup.folder), config), asked)

    def received(reply: Reply) -> tuple[Any, ...]:
        return reply.num_frames, reply.num_tokens, reply.seconds, reply.sizes, reply.sent

    assert [received(reply) for reply in ours] == [received(reply) for reply in theirs]


def test_another_prompt_than_ours_is_an_error_and_no_score(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setup.tiled:
        pytest.skip("vLLM is not asked with tiles")
    backend = installed(monkeypatch, setup, LLM(setup.encoder.processor, drops=1))
    with pytest.raises(UsageError, match=r"vLLM made \d+ tokens .* eval.backend: transformers"):
        answered(backend, requests(setup))


def test_a_family_of_tiles_is_refused(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    if not setup.tiled:
        pytest.skip("has no tiles")
    backend = installed(monkeypatch, setup, LLM(setup.encoder.processor))
    with pytest.raises(UsageError, match=r"Qwen-VL.*use backend transformers"):
        answered(backend, requests(setup)[:1])


def test_without_vllm_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UsageError, match="backend vllm needs vllm"):
        VLLM("m", EvalConfig(backend="vllm"))
