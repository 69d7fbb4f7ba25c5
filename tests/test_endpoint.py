from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from kuleshov.endpoint import Endpoint
from kuleshov.errors import EndpointError
from kuleshov.evaluate.config import CallConfig
from tests.evaluate.backends.stub import Stub, answers, completion, endpoint


@pytest.fixture
def stub() -> Iterator[Stub]:
    with endpoint() as found:
        yield found


def test_a_prompt_is_sent_and_the_reply_comes_back(stub: Stub) -> None:
    stub.otherwise = answers(body=completion('["flash"]'))
    with Endpoint(stub.url, "m") as model:
        assert model.ask("Which?") == '["flash"]'
    (call,) = stub.calls
    assert call.path == "/v1/chat/completions"
    messages = [{"role": "user", "content": "Which?"}]
    assert call.body == {"model": "m", "messages": messages, "temperature": 0}


def test_frames_are_sent_exactly_before_the_prompt(stub: Stub) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 8, 6, 3), np.uint8)
    with Endpoint(stub.url, "m") as model:
        model.see("What happens?", frames)
    *shown, text = stub.calls[0].body["messages"][0]["content"]
    assert text == {"type": "text", "text": "What happens?"} and len(shown) == 2
    for part, frame in zip(shown, frames, strict=True):
        data = base64.b64decode(part["image_url"]["url"].removeprefix("data:image/png;base64,"))
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), frame)


def test_an_endpoint_that_fails_is_tried_again_and_then_an_error(stub: Stub) -> None:
    calls = CallConfig(retries=1, first_wait_seconds=0.01)
    stub.script.append(answers(status=500))
    with Endpoint(stub.url, "m", calls) as model:
        assert model.ask("Which?") == "2,1" and len(stub.calls) == 2
        stub.otherwise = answers(status=500)
        with pytest.raises(EndpointError, match=r"answers 500: .* Nothing is written; start"):
            model.ask("Which?")
