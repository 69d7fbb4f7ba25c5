from __future__ import annotations

import gzip
import socket
import ssl
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import httpx2
import pytest

from kuleshov.errors import EndpointError
from kuleshov.evaluate.backends import calls as module
from kuleshov.evaluate.backends.calls import Answer, Calls, _seconds
from kuleshov.evaluate.config import CallConfig
from tests.evaluate.backends.stub import (
    Behaviour,
    Stub,
    answers,
    completion,
    drops,
    endless,
    late,
    trickles,
)

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


def refused(stub: Stub, config: CallConfig = QUICK, **remedies: str) -> str:
    """What is said where there is no answer."""
    named = {int(key.strip("_")) if key[-1].isdigit() else key: v for key, v in remedies.items()}
    with (
        Calls(f"{stub.url}/chat/completions", config, remedies=named) as calls,
        pytest.raises(EndpointError) as caught,
    ):
        calls.post({"model": "m", "messages": [], "max_tokens": 8, "seed": 1})
    return str(caught.value)


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
        answers(200, completion(choices=[{"message": {"content": {}}}])),
        answers(200, completion(choices=[{"message": {"content": [{}]}}])),
        answers(200, completion(choices=[{"message": {"content": [{"type": "text"}]}}])),
        drops,
    ],
    ids=[
        "500", "503", "429", "408", "cut", "html", "no choices", "error in 200", "list", "null",
        "no text", "an object", "a part", "a part of text", "dropped",
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


@pytest.mark.parametrize(
    ("number", "asked", "said"),
    [
        (socket.EAI_NONAME, 3, "there is no host nowhere.invalid; give the address"),
        (socket.EAI_AGAIN, 6, "when the endpoint is well"),
    ],
)
def test_a_host_that_there_is_not_is_not_asked_for_to_the_end(
    number: int, asked: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = []

    def fails(host: str, *_: object, **__: object) -> None:
        looked_up.append(host)
        raise socket.gaierror(number, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with (
        Calls("http://nowhere.invalid/v1", replace(QUICK, retries=5)) as calls,
        pytest.raises(EndpointError, match=said),
    ):
        recorded(calls)
        calls.post({"model": "m"})
    assert len(looked_up) == asked


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


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 01 Jan 99999 00:00:00 GMT",
        "Fri, 31 Dec 999999999999999999999 23:59:59 GMT",
        "Fri, 31 Dec 9999 23:59:59 -9999",
        "Fri, 31 Dec 9999 23:59:59 -9999999999999999999",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Mon, 99 Foo -1 99:99:99",
        "nan",
        "9" * 5000,
        "1e999",
        "inf",
        ":::",
        ", , ,",
        "\u0663",
    ],
)
def test_a_date_that_is_far_away_or_none_is_no_traceback(text: str) -> None:
    assert _seconds(text) >= 0


def test_a_wait_without_end_is_told_shortly(stub: Stub) -> None:
    stub.otherwise = answers(429, b"later", {"Retry-After": "9" * 300})
    assert "to wait 1e+300 s, more than" in refused(stub)


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


LATE = replace(QUICK, retries=0, timeout_seconds=0.5)
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "behaviour",
    [
        trickles(OK + b"Content-Type: application/json\r\n\r\n"),
        trickles(OK + b'Content-Length: 9000\r\n\r\n{"choices"'),
        trickles(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        trickles(OK + b"X: ", b"x"),
        trickles(b"HTTP/1.1 500 X\r\n\r\n"),
        trickles(b"HTTP", b"/"),
        late(3.0),
    ],
    ids=["body", "length", "chunks", "headers", "error", "status", "silence"],
)
def test_an_answer_ends_in_time_whatever_trickles_in(stub: Stub, behaviour: Behaviour) -> None:
    stub.otherwise = behaviour
    start = time.monotonic()
    said = refused(stub, LATE)
    assert time.monotonic() - start < 2.5
    assert "no whole answer within 0.5 s (calls.timeout_seconds)" in said or "Timeout" in said


@pytest.mark.parametrize(
    ("behaviour", "sends"),
    [
        (endless(200, b" " * 65_536), "plain"),
        (endless(200, gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip\r\n"), "a bomb"),
        (endless(200, zlib.compress(b"[" * 50_000_000), "Content-Encoding: deflate\r\n"), "a bomb"),
        (answers(200, b"[{}," * 3_000_000), "many small things"),
    ],
)
def test_an_answer_that_is_too_long_is_not_read(
    stub: Stub, behaviour: Behaviour, sends: str
) -> None:
    stub.otherwise = behaviour
    config = replace(QUICK, most_megabytes=2.0)
    tracemalloc.start()
    try:
        said = refused(stub, config)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "an answer of more than 2 MB" in said and "raise calls.most_megabytes" in said
    assert len(stub.calls) == 1 and peak < 60e6, sends


def test_of_an_error_without_end_only_the_start_is_read(stub: Stub) -> None:
    stub.otherwise = endless(400, b"no such thing ")
    assert "it answers 400: no such thing no such" in refused(stub)


def test_an_answer_of_a_megabyte_is_read_whole(stub: Stub) -> None:
    text = "\u4e00" * 1_000_000 + "<answer>A</answer>"  # six bytes each, as it is escaped
    stub.otherwise = answers(200, completion(text))
    assert post(stub).text == text


NO_TOKENS: tuple[object, ...] = ("321", 3.5, True, -1, [1], {}, None, 10**400)


@pytest.mark.parametrize(
    "usage", [*({"prompt_tokens": wrong} for wrong in NO_TOKENS), "321", 321, [], [1], True]
)
def test_usage_of_a_wrong_type_is_not_said(stub: Stub, usage: object) -> None:
    body = completion(usage=usage)
    body["choices"][0]["finish_reason"] = usage
    stub.script.append(answers(200, body))
    answer = post(stub)
    assert answer.num_tokens is None and isinstance(answer.finish, str) and answer.text == "2,1"
    assert len(stub.calls) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"choices":' * 100_000,
        b'{"choices": [{"message": {"content": "A"}}], "x": '
        + b"[" * 100_000
        + b"]" * 100_000
        + b"}",
        b'{"choices": ' + b"9" * 10_000 + b"}",
        b'{"choices": [{"message": []}]}',
        b'{"choices": "A"}',
        b"\xff\xfe\x00",
        b"\x00" * 100,
    ],
    ids=["lists", "objects", "beside", "number", "list", "text", "bytes", "zeros"],
)
def test_json_that_cannot_be_read_is_no_traceback(stub: Stub, body: bytes) -> None:
    stub.otherwise = answers(200, body)
    assert "no chat completion: " in refused(stub, replace(QUICK, retries=0))


@pytest.mark.parametrize("charset", ["rot13", "zlib", "base64", "utf-7", "idna", "x", "'\u00fc'"])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_what_it_says_is_quoted_whatever_its_character_set(
    stub: Stub, charset: str, status: int
) -> None:
    kind = {"Content-Type": f"text/html; charset={charset}"}
    stub.otherwise = answers(status, "so sorry \u4e00".encode(), kind)
    assert "so sorry \u4e00" in refused(stub, replace(QUICK, retries=0))
    stub.otherwise = answers(200, completion("2,1"), kind)
    assert post(stub).text == "2,1"


def test_halves_of_characters_are_taken_out(stub: Stub) -> None:
    text = rb"a\ud83d b\ud83d\ude00"
    stub.otherwise = answers(200, b'{"choices": [{"message": {"content": "%s"}}]}' % text)
    assert post(stub).text == "a? b\U0001f600"


BODY = "--set body.{0}=null takes {0} away"


@pytest.mark.parametrize(
    ("status", "said", "advice"),
    [
        (400, "Not supported: 'max_tokens'. Use 'max_new'", BODY.format("max_tokens")),
        (400, '{"error": {"message": "no", "param": "seed"}}', BODY.format("seed")),
        (422, '{"detail": [{"loc": ["body", "seed"]}]}', BODY.format("seed")),
        (400, "maximum context length is 8192 tokens", "see what it says"),
        (400, '{"error": {"param": ["seed"]}}', BODY.format("seed")),
        (400, "Unrecognized request argument supplied: seed", BODY.format("seed")),
        (400, "`max_tokens` is not supported with this model", BODY.format("max_tokens")),
        (400, "body.seed: extra fields not permitted", "see what it says"),
        (422, "max_tokens and seed: no such fields", BODY.format("max_tokens")),
        (451, "for legal reasons", "see what it says"),
        (401, "who are you", "it holds no key; set the environment variable STUB_KEY"),
        (403, "not you", "it holds no key; set the environment variable STUB_KEY"),
        (404, "nothing here", "up to /v1, to which /chat/completions is added"),
        (404, "The model `m` does not exist", "asked for by the name 'm'"),
        (405, "POST?", "up to /v1"),
        (413, "too large", "--set images=jpeg"),
    ],
)
def test_a_refusal_says_what_has_to_change(stub: Stub, status: int, said: str, advice: str) -> None:
    stub.otherwise = answers(status, said.encode())
    text = refused(stub, parameter=BODY, _413="--set images=jpeg sends smaller pictures")
    assert "the request has to change: " in text and advice in text
    assert "when the endpoint is well" not in text and len(stub.calls) == 1


def test_a_key_that_is_refused_is_named_by_its_variable(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_KEY", "sk-NOTAKEY")
    stub.otherwise = answers(401, b"wrong key")
    assert "the key in the environment variable STUB_KEY may not do this" in refused(stub)


def test_an_address_that_has_moved_is_told(stub: Stub) -> None:
    stub.otherwise = answers(308, b"", {"Location": "https://elsewhere/v1/chat/completions"})
    assert "it points to https://elsewhere/v1/chat/completions" in refused(stub)


def test_the_key_is_in_no_message_whatever_an_endpoint_says(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_KEY", "sk-NOT/AKEY")
    for behaviour in (
        answers(500, b"sk-NOT/AKEY"),
        answers(400, b"sk-NOT%2FAKEY is not it"),
        answers(200, b"<p>sk-NOT/AKEY"),
        answers(302, b"", {"Location": "http://h/sk-NOT/AKEY"}),
        answers(429, b"x" * 290 + b" sk-NOT/AKEY", {"Retry-After": "9999"}),
        answers(418, b"sk-NOT/AKEY"),
    ):
        stub.otherwise = behaviour
        assert "AKEY" not in refused(stub, replace(QUICK, retries=0))


def test_an_endpoint_whose_certificate_is_not_trusted_is_not_tried_again(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def stream(method: str, *rest: object, **more: object) -> None:
        tries.append(method)
        try:
            raise ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed")
        except ssl.SSLError as error:
            raise httpx2.ConnectError("certificate verify failed: self-signed") from error

    with Calls(stub.url, QUICK) as calls, pytest.raises(EndpointError, match="SSL_CERT_FILE"):
        monkeypatch.setattr(calls._client, "stream", stream)
        calls.post({})
    assert tries == ["POST"]


def test_an_error_of_this_program_is_not_taken_for_one_of_the_endpoint(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stream(*_: object, **__: object) -> None:
        raise KeyError("x")

    with Calls(stub.url, QUICK) as calls, pytest.raises(KeyError):
        monkeypatch.setattr(calls._client, "stream", stream)
        calls.post({})
