"""What we ask of vLLM against vLLM's own classes; skipped where they cannot be imported.

docs/rollouts.md says how to import them on a machine without a GPU, and with what it was run.
"""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from kuleshov.errors import UsageError
from kuleshov.sample import Sample
from kuleshov.train.encode import Encoder
from kuleshov.train.positions import INSTALLED, LARGEST_PLUS_ONE, place, positions_of
from kuleshov.train.vllm_rollout import (
    _positions_of_vllm,
    check_positions,
    request,
    unsampled,
)
from kuleshov.train.vllm_server import features
from tests.train.conftest import Setup
from tests.train.vllm_samples import MIXED, item, noise

processing = pytest.importorskip("vllm.multimodal.processing", reason="vLLM is not installed")

SAMPLES = {
    "videos, images": MIXED,
    "two videos": replace(
        MIXED, prompt="<video> and <video> ok?", media=(item(0, 0.5, 1, 1.5), item(0, 1, 2, 9))
    ),
    "late": replace(MIXED, prompt="Watch <video>\nWhen?", media=(item(2, 2.5, 3, 3.5),)),
    "images": replace(
        MIXED, prompt="a <image> b <image>", media=(item(0, height=28, width=28), item(0))
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_vllm_puts_tokens_behind_the_end_of_a_video(setup: Setup, name: str) -> None:
    encoder = Encoder(setup.encoder.processor, noise)
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    long = replace(MIXED, prompt="<video> ok?", media=(item(*range(16)),))
    for sample in (SAMPLES[name], long):
        prompt = encoder(sample)
        opinions = positions_of(model, prompt)
        if setup.family != "qwen2_5_vl":  # there is one opinion only, so that vLLM is not asked
            assert opinions[INSTALLED].equal(opinions[LARGEST_PLUS_ONE])
            continue
        theirs = _positions_of_vllm(model.config, prompt)
        assert theirs is not None and theirs.equal(opinions[LARGEST_PLUS_ONE])
    if setup.family == "qwen2_5_vl":
        with pytest.raises(UsageError, match="Set positions: largest_plus_one in train and eval"):
            check_positions(model, prompt)
    place(model, LARGEST_PLUS_ONE)
    check_positions(model, prompt)


@pytest.fixture
def setup(setup: Setup) -> Setup:
    """The families whose prompts vLLM is asked with."""
    if setup.encoder(setup.samples[0]).token_types is None:
        pytest.skip("vLLM is not asked with tiles")
    return setup


def vllms_own(setup: Setup, raw: bool) -> Any:
    """VLLM's processor for the tiny model of a family."""
    from vllm.config.multimodal import MultiModalConfig
    from vllm.model_executor.models import qwen2_5_vl, qwen3_vl

    module, name = {
        "qwen2_5_vl": (qwen2_5_vl, "Qwen2_5_VL"),
        "qwen3_vl": (qwen3_vl, "Qwen3VL"),
    }[setup.family]
    multimodal = MultiModalConfig(mm_device_do_normalize=raw)
    model = SimpleNamespace(
        model=str(setup.folder),
        revision=None,
        trust_remote_code=False,
        hf_config=AutoConfig.from_pretrained(setup.folder),
        multimodal_config=multimodal,
        get_multimodal_config=lambda: multimodal,
        get_inputs_embeds_size=lambda: 128,
        dtype=torch.float32,
    )
    context = processing.InputProcessingContext(model, setup.encoder.processor.tokenizer)
    info = getattr(module, f"{name}ProcessingInfo")(context)
    dummy = getattr(module, f"{name}DummyInputsBuilder")(info)
    return getattr(module, f"{name}MultiModalProcessor")(info, dummy)


def processed(processor: Any, prompt: dict[str, Any]) -> Any:
    from vllm.multimodal.processing.context import TimingContext

    inputs = processing.ProcessorInputs(
        prompt=prompt["prompt_token_ids"],
        mm_data_items=processor.info.parse_mm_data(prompt["multi_modal_data"]),
        hf_processor_mm_kwargs=prompt["mm_processor_kwargs"],
    )
    return processor.apply(inputs, TimingContext(enabled=False))


@pytest.mark.parametrize("raw", [False, True], ids=["normalised", "raw"])
@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_vllm_sees_what_the_loss_sees(setup: Setup, sample: Sample, raw: bool) -> None:
    encoder = Encoder(setup.encoder.processor, noise)
    encoded = encoder(sample)
    asked = request(encoded, encoder)
    made = processed(vllms_own(setup, raw), asked.prompt)
    # For Qwen3-VL the times are among the tokens.
    asked.check(made["prompt_token_ids"])
    for kind, items in made["mm_kwargs"].items():
        for key in ("pixel_values", "pixel_values_videos", f"{kind}_grid_thw"):
            if key in items[0]:
                got = [one[key].data for one in items]
                whole = torch.cat(got) if "pixel" in key else torch.stack(got)
                if raw and "pixel" in key:
                    assert whole.dtype == torch.uint8
                    readers = setup.encoder.processor
                    reader = readers.video_processor if kind == "video" else readers.image_processor
                    whole = normalised(whole, reader)
                assert torch.allclose(whole, encoded.videos[key], atol=1e-5)
    if "second_per_grid_ts" in encoded.videos:
        seconds = [one["second_per_grid_ts"].data for one in made["mm_kwargs"]["video"]]
        assert torch.stack(seconds).tolist() == encoded.videos["second_per_grid_ts"].tolist()


def normalised(pixels: torch.Tensor, reader: Any) -> torch.Tensor:
    mean, std = (torch.tensor(x).view(1, 3, 1) for x in (reader.image_mean, reader.image_std))
    values: torch.Tensor = pixels.view(len(pixels), 3, -1) * reader.rescale_factor
    return ((values - mean) / std).view_as(pixels)


def test_tokens_written_out_beforehand_are_noticed(setup: Setup) -> None:
    """What TRL sends for images: vLLM writes them out once more, and says nothing."""
    encoder = Encoder(setup.encoder.processor, noise)
    asked = request(encoder(MIXED), encoder)
    twice = {**asked.prompt, "prompt_token_ids": asked.expected}
    made = processed(vllms_own(setup, False), twice)["prompt_token_ids"]
    assert len(made) > len(asked.expected)
    with pytest.raises(UsageError, match="of a prompt that has"):
        asked.check(made)


def test_other_times_are_another_video_to_vllm(setup: Setup) -> None:
    """Or vLLM would answer with what it kept of the first one."""
    encoder = Encoder(setup.encoder.processor, noise)
    clocks = [(0, 1, 2, 3), (0, 2, 4, 6)]
    named = []
    for clock in clocks:
        sample = replace(MIXED, prompt="<video>", media=(item(*clock),))
        prompt = request(encoder(sample), encoder).prompt
        named.append(processed(vllms_own(setup, False), prompt)["mm_hashes"]["video"])
    assert named[0] != named[1]


@pytest.mark.parametrize("raw", [False, True], ids=["normalised", "raw"])
@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_the_servers_schema_holds_what_its_own_processor_makes(
    setup: Setup, sample: Sample, raw: bool
) -> None:
    from vllm.entrypoints.scale_out.token_in_token_out.mm_serde import decode_mm_kwargs_item
    from vllm.entrypoints.scale_out.token_in_token_out.protocol import GenerateRequest

    if setup.family == "qwen3_vl" and "<video>" in sample.prompt:
        pytest.skip("refused, see test_vllm_server.py")
    encoder = Encoder(setup.encoder.processor, noise)
    encoded = encoder(sample)
    made = processed(vllms_own(setup, raw), request(encoded, encoder).prompt)
    body = {
        "request_id": "1",
        "token_ids": encoded.input_ids.tolist(),
        "features": features(encoded, setup.encoder.processor if raw else None),
        "sampling_params": {"n": 2, **unsampled([5], {"use_vllm": True})},
    }
    read = GenerateRequest.model_validate(json.loads(json.dumps(body)))
    assert read.sampling_params.logit_bias == {5: -100.0}
    assert set(read.features.kwargs_data) == set(made["mm_kwargs"])
    for kind, items in made["mm_kwargs"].items():
        places = [(p.offset, p.length) for p in read.features.mm_placeholders[kind]]
        assert places == [(p.offset, p.length) for p in made["mm_placeholders"][kind]]
        for text, wanted in zip(read.features.kwargs_data[kind], items, strict=True):
            got = decode_mm_kwargs_item(text)
            assert set(got) == set(wanted)
            for key, element in got.items():
                assert type(element.field) is type(wanted[key].field)
                assert element.field.keep_on_cpu == wanted[key].field.keep_on_cpu
                assert element.data.dtype == wanted[key].data.dtype
                assert torch.allclose(element.data, wanted[key].data, atol=1e-5)
