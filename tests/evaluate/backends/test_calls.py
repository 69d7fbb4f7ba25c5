from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest

from kuleshov.errors import EndpointError
from kuleshov.evaluate.backends import calls as module
from kuleshov.evaluate.backends.calls import Answer, Calls, _seconds
from kuleshov.evaluate.config import CallConfig
from tests.evaluate.backends.stub import Behaviour, Stub, answers, completion, drops, late

QUICK = CallConfig(
    retries=2,
    first_wait_seconds=0.01,
    longest_wait_seconds=0.5,
    timeout_seconds=5,
    key_variable="STUB_KEY",
)


def recorded(calls: Calls) -> list[float]:
    """Seconds of the waits from here on, none of which is waited."""
    waits: list[float] = []
    calls._stopped.wait = waits.append  # type: ignore[assignment, method-assign]  # of this one
    return waits


def post(stub: Stub, config: CallConfig = QUICK) -> Answer:
    with Calls(f"{stub.url}/chat/completions", config) as calls:
        return calls.post({"messages": []})


def test_an_answer_is_read(stub: Stub) -> None:
    assert post(stub) == Answer("2,1", "stop", 321)
    assert [(call.path, call.body) for call in stub.calls] == [
        ("/v1/chat/completions", {"messages": []})
    ]


@pytest.mark.parametrize(
    "failure",
    [
        answers(500, b"oh"),
        answers(503, b"oh"),
        answers(429, b"oh"),
        answers(408, b"oh"),
        answers(200, b'{"choices": [{"mess'),
        answers(200, b"<html>"),
        answers(200, completion(choices=[])),
        answers(200, {"error": {"message": "overloaded"}}),
        answers(200, b"[]"),
        answers(200, b"null"),
        answers(200, completion(choices=[{"message": {"content": [1]}}])),
        drops,
    ],
    ids=[
        "500", "503", "429", "408", "cut", "html", "no choices", "error in 200", "list", "null",
        "no text", "dropped",
    ],
)  # fmt: skip
def test_what_fails_is_tried_again_and_then_given_up(stub: Stub, failure: Behaviour) -> None:
    stub.script.extend([failure, failure])
    assert post(stub).text == "2,1" and len(stub.calls) == 3
    stub.otherwise = failure
    with pytest.raises(EndpointError, match=r"gives no answer: .*, 3 times. What was answered is"):
        post(stub)
    assert len(stub.calls) == 6


def test_a_late_answer_is_tried_again(stub: Stub) -> None:
    stub.script.append(late(1.0))
    assert post(stub, replace(QUICK, timeout_seconds=0.3)).text == "2,1"
    assert len(stub.calls) == 2


def test_nobody_there_is_an_error(stub: Stub) -> None:
    stub.url = "http://127.0.0.1:9/v1"  # the port "discard", which nobody listens on
    with pytest.raises(EndpointError, match=r"http://127.0.0.1:9/v1/.*ConnectError"):
        post(stub)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 301])
def test_a_refusal_is_not_tried_again(stub: Stub, status: int) -> None:
    stub.otherwise = answers(status, b'{"error": "no such\\nmodel"}')
    with pytest.raises(EndpointError, match=f"it answers {status}: .*no such"):
        post(stub)
    assert len(stub.calls) == 1


def test_an_endpoint_may_say_how_long_to_wait(stub: Stub) -> None:
    stub.script.append(answers(429, b"slowly", {"Retry-After": "0.4"}))
    post(stub)
    first, second = stub.calls
    assert second.at - first.at >= 0.4


def test_it_may_not_say_to_wait_for_an_hour(stub: Stub) -> None:
    stub.script.append(answers(429, b"come back later", {"Retry-After": "3600"}))
    with (
        Calls(f"{stub.url}/chat/completions", QUICK) as calls,
        pytest.raises(EndpointError, match=r"come back later, and to wait 3600 s, more than"),
    ):
        waits = recorded(calls)
        calls.post({})
    assert waits == [] and len(stub.calls) == 1


def test_retry_after_is_seconds_or_a_date() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=100)
    assert 95 < _seconds(format_datetime(soon, usegmt=True)) <= 100
    assert [_seconds(text) for text in ("7", "-1", "", "soon")] == [7, 0, 0, 0]


def test_waits_double_up_to_a_bound_and_are_jittered(stub: Stub) -> None:
    config = replace(QUICK, first_wait_seconds=1.0, longest_wait_seconds=5.0)
    with Calls(stub.url, config) as calls:
        # 1, 2, 4, then 8 and 2^50 cut to 5; each shortened by up to a half.
        for attempt, whole in [(0, 1), (1, 2), (2, 4), (3, 5), (50, 5)]:
            waits = [calls._wait_after(attempt) for _ in range(50)]
            assert whole / 2 <= min(waits) <= max(waits) <= whole
            assert len(set(waits)) > 1


def test_no_more_requests_a_minute_than_allowed(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 600 a minute are one each 0.1 s: of six at one moment, from three threads, the last waits
    # 0.5 s.
    config = replace(QUICK, per_minute=600)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 100.0))
    with (
        Calls(f"{stub.url}/chat/completions", config) as calls,
        ThreadPoolExecutor(3) as pool,
    ):
        waits = recorded(calls)
        list(pool.map(calls.post, [{}] * 6))
    assert sorted(waits) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5]) and len(stub.calls) == 6


def test_the_key_is_sent_and_never_told(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    post(stub)
    monkeypatch.setenv("STUB_KEY", "secret-123")
    stub.otherwise = answers(401, b"Incorrect API key provided: secret-123")
    with pytest.raises(EndpointError) as caught:
        post(stub)
    sent = [call.headers.get("Authorization") for call in stub.calls]
    assert sent == [None, "Bearer secret-123"]
    assert "key provided: ***" in str(caught.value) and "secret-123" not in str(caught.value)


def test_a_completion_without_text_or_usage_is_an_empty_one(stub: Stub) -> None:
    cut = {"message": {"content": None}, "finish_reason": "length"}
    stub.script.append(answers(200, {"choices": [cut]}))
    assert post(stub) == Answer("", "length", None)


def test_giving_up_ends_the_waits(stub: Stub) -> None:
    stub.otherwise = answers(500, b"oh")
    config = replace(QUICK, first_wait_seconds=30, longest_wait_seconds=60)
    with Calls(stub.url, config) as calls, ThreadPoolExecutor(1) as pool:
        start = time.monotonic()
        waiting = pool.submit(calls.post, {})
        while not stub.calls:
            time.sleep(0.01)
        calls.give_up()
        with pytest.raises(EndpointError, match="the run is stopping"):
            waiting.result(10)
    assert time.monotonic() - start < 10
