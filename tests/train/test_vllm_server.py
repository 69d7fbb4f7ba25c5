"""What vLLM's server is asked, with a stand-in of its client.

The same against vLLM's own classes is in test_vllm_processors.py.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from kuleshov.errors import UsageError
from kuleshov.train import vllm_server
from kuleshov.train.encode import Encoded, Encoder
from kuleshov.train.vllm_rollout import couriers
from kuleshov.train.vllm_server import VideoClient, servable
from tests.train.conftest import Setup
from tests.train.vllm_samples import MIXED, item, noise


def test_the_server_gets_the_features_of_its_prompts(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    normalises = {"model_config": {"multimodal_config": {"mm_device_do_normalize": True}}}
    client = SimpleNamespace(
        get_server_info=lambda: normalises, generate=lambda **call: calls.append(call)
    )
    monkeypatch.setattr(vllm_server, "features", lambda encoded, raw: (encoded, raw))
    encoder = Encoder(setup.encoder.processor, noise)
    samples = [replace(MIXED, prompt=t, media=()) for t in ("one", "two")]
    encoded = [encoder(sample) for sample in samples]
    wrapped = VideoClient(client, setup.encoder.processor)
    # As TRL calls it: the features of different prompts first, then these prompts.
    rows = couriers([encoded[0], encoded[0], encoded[1], encoded[1]], encoder, "server")
    told = wrapped.image_features(rows[::2])
    assert told == [None, None]
    wrapped.generate(prompts=[[1], [2]], features=told, n=2)
    (call,) = calls
    assert call["prompts"] == [[1], [2]] and call["n"] == 2
    # The server normalises, so it gets the pixels as they were, for which the processor is needed.
    assert call["features"] == [(e, setup.encoder.processor) for e in encoded]


def test_the_server_is_refused_what_its_schema_cannot_hold(setup: Setup) -> None:
    encoded = Encoder(setup.encoder.processor, noise)(MIXED)
    if setup.family == "qwen2_5_vl":
        assert servable(encoded) is encoded
    else:  # a time stamp before each two frames
        with pytest.raises(UsageError, match=r"time stamps within a video.* to colocate"):
            servable(encoded)
    strange = replace(encoded, videos={"pixel_values_somewhere": torch.zeros(1)})
    with pytest.raises(UsageError, match="the inputs pixel_values_somewhere"):
        servable(strange)


def test_a_vllm_that_cannot_write_media_is_named(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = Encoder(setup.encoder.processor, noise)(MIXED)
    for name in [name for name in sys.modules if name.split(".")[0] == "vllm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UsageError, match=r"cannot write media .*; install vLLM 0.31"):
        vllm_server.features(encoded)
    assert vllm_server.features(replace(encoded, videos={})) is None


def test_where_the_tokens_of_each_item_stand() -> None:
    # Two images, at 1 and at 4 to 5, around a video at 3.
    types = torch.tensor([0, 1, 0, 2, 1, 1, 0])
    encoded = Encoded(torch.zeros(7), types, {}, MIXED)
    assert vllm_server._runs(encoded, "image") == [
        {"offset": 1, "length": 1},
        {"offset": 4, "length": 2},
    ]
    assert vllm_server._runs(encoded, "video") == [{"offset": 3, "length": 1}]


def test_pixels_come_back_from_normalised_patches(setup: Setup) -> None:
    encoder = Encoder(setup.encoder.processor, noise)
    encoded = encoder(replace(MIXED, prompt="<video>", media=(item(0, 1, height=28, width=28),)))
    reader = setup.encoder.processor.video_processor
    pixels = vllm_server._as_they_were(encoded.videos["pixel_values_videos"], reader)
    # The first patch is the top left 14 x 14 pixels of both frames: channel, time, y, x.
    frames = torch.from_numpy(encoder.render(encoded.sample)[0]).permute(3, 0, 1, 2)
    assert (pixels[0].view(3, 2, 14, 14) == frames[:, :, :14, :14]).all()
