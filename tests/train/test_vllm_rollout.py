"""What vLLM is asked, without vLLM: its documented schema as checks, and stand-ins of its classes.

The same against vLLM's own classes is in test_vllm_processors.py.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from trl.generation import vllm_generation
from trl.generation.vllm_client import VLLMClient
from trl.generation.vllm_generation import VLLMGeneration
from trl.trainer import grpo_trainer

from kuleshov.errors import UsageError
from kuleshov.train.encode import Encoder
from kuleshov.train.grpo import VideoGRPOTrainer, row
from kuleshov.train.vllm_rollout import Request, VideoLLM, couriers, request, unsampled
from tests.test_sample import a_sample
from tests.train.conftest import Setup
from tests.train.test_grpo import arguments, graded
from tests.train.vllm_samples import MIXED, noise


@pytest.fixture
def setup(setup: Setup) -> Setup:
    """The families whose prompts vLLM is asked with."""
    if setup.encoder(setup.samples[0]).token_types is None:
        pytest.skip("vLLM is not asked with tiles")
    return setup


def as_vllm_expands(processor: Any, prompt: dict[str, Any]) -> list[int]:
    """What vLLM documents to do with a `TokensPrompt`, checked and done with the processor.

    Token ids with one token for each media item; `multi_modal_data` with images as PIL images and
    videos as (frames, metadata); `mm_processor_kwargs` for the processor.
    """
    assert set(prompt) <= {"prompt_token_ids", "multi_modal_data", "mm_processor_kwargs"}
    ids = prompt["prompt_token_ids"]
    assert all(isinstance(token, int) for token in ids)
    media = prompt.get("multi_modal_data", {})
    assert set(media) <= {"image", "video"} and all(media.values())
    videos, images = media.get("video", []), media.get("image", [])
    assert ids.count(processor.video_token_id) == len(videos)
    assert ids.count(processor.image_token_id) == len(images)
    for frames, told in videos:
        assert frames.dtype == np.uint8 and frames.ndim == 4 and frames.shape[-1] == 3
        # What vLLM's processors read; it takes out the last one before transformers sees it.
        assert set(told) == {"total_num_frames", "fps", "frames_indices", "do_sample_frames"}
        assert len(told["frames_indices"]) == told["total_num_frames"] == len(frames)
        assert told["do_sample_frames"] is False
    assert all(image.mode == "RGB" for image in images)
    made = processor(
        text=[processor.tokenizer.decode(ids)],
        images=images or None,
        videos=[frames for frames, _ in videos] or None,
        video_metadata=[
            {key: value for key, value in told.items() if key != "do_sample_frames"}
            for _, told in videos
        ]
        or None,
        **({} if not media else {**prompt["mm_processor_kwargs"], "return_tensors": "pt"}),
    )
    expanded: list[int] = torch.as_tensor(made["input_ids"])[0].tolist()
    return expanded


@pytest.mark.parametrize("media", ["mixed", "own", "text"])
def test_a_request_becomes_the_prompt_of_the_loss(setup: Setup, media: str) -> None:
    samples = {
        "mixed": MIXED,
        "own": setup.samples[0],
        "text": replace(a_sample(), prompt="only words", media=()),
    }
    encoder = setup.encoder if media == "own" else Encoder(setup.encoder.processor, noise)
    encoded = encoder(samples[media])
    asked = request(encoded, encoder)
    made = as_vllm_expands(encoder.processor, asked.prompt)
    assert made == encoded.input_ids.tolist()
    asked.check(made)


def test_a_family_of_tiles_is_refused(setup: Setup) -> None:
    encoded = replace(setup.encoder(setup.samples[0]), token_types=None)
    for mode in ("colocate", "server"):
        with pytest.raises(UsageError, match=r"Qwen-VL.*leave use_vllm out"):
            couriers([encoded], setup.encoder, mode)


def test_a_request_tells_the_shown_times(setup: Setup) -> None:
    encoder = Encoder(setup.encoder.processor, noise)
    asked = request(encoder(MIXED), encoder)
    (first, uneven), (second, short) = asked.prompt["multi_modal_data"]["video"]
    assert [i / uneven["fps"] for i in uneven["frames_indices"]] == pytest.approx([0, 1, 2, 6])
    assert [i / short["fps"] for i in short["frames_indices"]] == [0, 0.5]
    assert (first == noise(MIXED)[1]).all() and (second == noise(MIXED)[2]).all()
    left, right = asked.prompt["multi_modal_data"]["image"]
    assert (np.asarray(left) == noise(MIXED)[0][0]).all() and right.size == (84, 56)


def test_another_prompt_than_that_of_the_loss_is_refused() -> None:
    asked = Request({}, [5, 6, 7])
    asked.check((5, 6, 7))
    with pytest.raises(UsageError, match=r"made 3 tokens of a prompt that has 3 .* one at 1:"):
        asked.check([5, 8, 7])
    with pytest.raises(UsageError, match=r"made 4 tokens of a prompt that has 3 .* one at 3:"):
        asked.check([5, 6, 7, 7])


class Sampling:
    """A stand-in of `vllm.SamplingParams`."""

    def __init__(self, n: int, **settings: Any) -> None:
        self.n = n
        self.settings = settings

    def clone(self) -> Sampling:
        return copy.copy(self)


class StandIn:
    """A stand-in of `vllm.LLM`: writes the number of the call, the prompt and the completion."""

    def __init__(self, expand: Callable[[dict[str, Any]], list[int]]) -> None:
        self.expand = expand
        self.asked: list[tuple[int, int]] = []  # prompts and completions of each call

    def generate(
        self, prompts: list[dict[str, Any]], sampling_params: list[Sampling], use_tqdm: bool
    ) -> list[Any]:
        assert not use_tqdm
        self.asked.append((len(prompts), sum(params.n for params in sampling_params)))
        outputs = []
        for number, (prompt, params) in enumerate(zip(prompts, sampling_params, strict=True)):
            written = [
                SimpleNamespace(
                    token_ids=[10 + number, 20 + i],
                    logprobs=[{10 + number: score(-1.0)}, {20 + i: score(-2.0)}],
                )
                for i in range(params.n)
            ]
            outputs.append(SimpleNamespace(prompt_token_ids=self.expand(prompt), outputs=written))
        return outputs


def score(logprob: float) -> Any:
    return SimpleNamespace(logprob=logprob, rank=1)


def test_each_prompt_is_sent_once_and_answered_row_by_row() -> None:
    llm = StandIn(lambda prompt: prompt["prompt_token_ids"])
    first, second = Request({"prompt_token_ids": [1]}, [1]), Request({"prompt_token_ids": [2]}, [2])
    rows = [{"multi_modal_data": {"image": asked}} for asked in (first, second, first, first)]
    params = Sampling(1, temperature=1.0)
    outputs = VideoLLM(llm).generate(rows, sampling_params=params, use_tqdm=False)
    assert llm.asked == [(2, 4)]
    # The first prompt has three completions, the second one; each in its row.
    assert [[o.token_ids for o in output.outputs] for output in outputs] == [
        [[10, 20]],
        [[11, 20]],
        [[10, 21]],
        [[10, 22]],
    ]
    assert [output.prompt_token_ids for output in outputs] == [[1], [2], [1], [1]]
    assert params.n == 1


def test_what_else_trl_asks_goes_to_vllm() -> None:
    llm: Any = StandIn(lambda prompt: [])
    llm.reset_prefix_cache = lambda: "done"
    assert VideoLLM(llm).reset_prefix_cache() == "done"


def on_cpu(llm: Any) -> type[VLLMGeneration]:
    """TRL's own class, in colocate mode, around a stand-in of vLLM."""

    class OnCpu(VLLMGeneration):  # type: ignore[misc]
        def _init_vllm(self) -> None:
            self.llm = llm

        def sync_weights(self) -> None:
            pass

    return OnCpu


def test_training_rolls_out_through_trl_with_one_request_for_each_group(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = StandIn(lambda prompt: as_vllm_expands(setup.encoder.processor, prompt))
    monkeypatch.setattr(vllm_generation, "SamplingParams", Sampling, raising=False)
    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", on_cpu(llm))
    seen: list[dict[str, Any]] = []

    class Recorder(VideoGRPOTrainer):
        def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
            seen.append(inputs)
            return super()._compute_loss(model, inputs)

    train = Recorder(
        str(setup.folder),
        reward_funcs=[graded],
        args=arguments(
            setup,
            tmp_path,
            use_vllm=True,
            vllm_mode="colocate",
            generation_kwargs=unsampled([3, 4], {"use_vllm": True}),
        ),
        train_dataset=Dataset.from_list([row(sample) for sample in setup.samples]),
        processing_class=setup.encoder.processor,
        encoder=setup.encoder,
    )
    train.train()
    # Two steps, each of 4 completions in groups of 2.
    assert llm.asked == [(2, 4), (2, 4)]
    for inputs in seen:
        for encoded, ids, mask, written in zip(
            inputs["encoded"],
            inputs["prompt_ids"],
            inputs["prompt_mask"],
            inputs["completion_ids"].tolist(),
            strict=True,
        ):
            assert (ids[mask.bool()] == encoded.input_ids).all()
            assert written[0] in (10, 11) and written[1] in (20, 21)
        # The log-probabilities of the stand-in reach TRL's correction.
        wanted = torch.tensor([[-1.0, -2.0]] * 4)
        assert torch.equal(inputs["sampling_per_token_logps"], wanted)


def test_tokens_that_must_not_be_written_are_named_as_each_engine_wants() -> None:
    assert unsampled([7, 8], {}) == {"suppress_tokens": [7, 8]}
    assert unsampled([7, 8], {"use_vllm": True}) == {"logit_bias": {7: -100.0, 8: -100.0}}


def test_what_trl_asks_of_vllm_is_as_it_was_read() -> None:
    """A release that changes these needs a look at `VideoLLM` and `VideoClient`."""
    assert list(inspect.signature(VLLMGeneration.generate).parameters) == [
        "self",
        "prompts",
        "images",
        "num_generations",
        "profiler",
    ]
    source = inspect.getsource(VLLMGeneration.generate)
    assert 'row["multi_modal_data"] = {"image": img_list if len(img_list) > 1' in source
    assert re.search(r"self\.llm\.generate\(vllm_prompts, sampling_params=\w+, use_tqdm", source)
    assert "self.vllm_client.image_features(all_images[::num_generations])" in source
    assert re.search(r"generate\(\s*prompts=\w+, features=features, \*\*sampling_params", source)
    assert list(inspect.signature(VLLMClient.image_features).parameters)[:2] == ["self", "images"]
    wanted = ["self", "prompts", "features", "n"]
    assert list(inspect.signature(VLLMClient.generate).parameters)[:4] == wanted
