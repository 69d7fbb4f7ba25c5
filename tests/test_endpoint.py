from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kuleshov.endpoint import Endpoint
from kuleshov.errors import EndpointError, UsageError
from kuleshov.evaluate.config import CallConfig
from tests.evaluate.backends.stub import Stub, answers, completion, endpoint, late, together


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


def test_replies_that_are_kept_are_not_asked_for_again(stub: Stub, tmp_path: Path) -> None:
    kept = tmp_path / "new" / "replies.jsonl"
    with Endpoint(stub.url, "m", kept=kept) as model:
        assert model.ask("Which?") == model.ask("Which?") == "2,1"
    with kept.open("a") as file:
        file.write('{"asked": "cut sho')  # by a kill
    with Endpoint(stub.url, "m", kept=kept) as model:
        assert model.ask("Which?") == "2,1" and len(stub.calls) == 1
        assert model.ask("When?") == "2,1" and len(stub.calls) == 2
    with Endpoint(stub.url, "m", kept=kept) as model:
        model.ask("When?")
        assert len(stub.calls) == 2
        stub.otherwise = answers(body=completion("other"))
    with Endpoint(stub.url, "another", kept=kept) as model:
        assert model.ask("Which?") == "other"
        stub.otherwise = answers(status=404)
        with pytest.raises(EndpointError, match=r"replies so far are kept in .*jsonl"):
            model.ask("Where?")


@pytest.mark.parametrize("line", ["[]", "3", '{"asked": "x"}', '{"reply": "x"}', "[" * 99_999])
def test_a_line_of_replies_that_is_none_is_left_out(line: str, stub: Stub, tmp_path: Path) -> None:
    kept = tmp_path / "replies.jsonl"
    kept.write_text(f"{line}\n")
    with Endpoint(stub.url, "m", kept=kept) as model:
        assert model.ask("Which?") == "2,1"


@pytest.mark.parametrize("address", ["notanaddress", "http://:8000/v1", " http://h/v1"])
def test_what_is_no_address_is_refused_and_not_tried(address: str) -> None:
    with pytest.raises(UsageError, match=r"endpoint is .*allowed: an address such as"):
        Endpoint(address, "m")


def test_several_are_asked_at_a_time_and_come_back_in_order(stub: Stub, tmp_path: Path) -> None:
    # The first ones wait for each other, and of the rest every third one is slow.
    for i in range(30):
        stub.script.append(together(stub, 3) if i < 3 else late(0.05 if i % 3 == 0 else 0.0))
    stub.otherwise = answers(status=404)
    kept = tmp_path / "replies.jsonl"
    asked = [f"Which {i}?" for i in range(30)]
    with Endpoint(stub.url, "m", CallConfig(concurrency=3), kept) as model:
        found = list(model.each(lambda prompt: (prompt, model.ask(prompt)), asked))
        assert found == [(prompt, "2,1") for prompt in asked] and stub.most_at_once == 3
    # All of them are kept, whichever came first, and answer without the endpoint.
    with Endpoint(stub.url, "m", kept=kept) as model:
        assert list(model.each(model.ask, asked)) == ["2,1"] * 30 and len(stub.calls) == 30


def test_what_fails_ends_it_and_nothing_further_is_asked(stub: Stub, tmp_path: Path) -> None:
    stub.script.extend([answers(), answers(status=404)])
    kept = tmp_path / "replies.jsonl"
    calls = CallConfig(concurrency=1, retries=3, first_wait_seconds=20)
    with (
        Endpoint(stub.url, "m", calls, kept) as model,
        pytest.raises(EndpointError, match="answers 404"),
    ):
        list(model.each(model.ask, (f"Which {i}?" for i in range(1000))))
    # Begun were no more than the first one and those that were taken ahead.
    assert len(stub.calls) <= 1 + 4 and len(kept.read_text().splitlines()) == len(stub.calls) - 1


def test_a_failure_of_others_is_not_waited_for_with_further_tries(stub: Stub) -> None:
    calls = CallConfig(concurrency=2, retries=5, first_wait_seconds=60, longest_wait_seconds=60)

    def work(prompt: str) -> str:
        if prompt == "mistake":
            raise ValueError(prompt)
        return model.ask(prompt)

    stub.otherwise = answers(status=503)
    began = time.monotonic()
    with Endpoint(stub.url, "m", calls) as model, pytest.raises(ValueError, match="mistake"):
        list(model.each(work, ["mistake", "Which?"]))
    assert time.monotonic() - began < 30
