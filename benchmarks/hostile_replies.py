"""Replies of endpoints that are none: does anything but an error in words come of them?

Each reply is sent, byte by byte as it is here, by a server on this machine to all who ask
endpoints: an evaluation of one question, a prompt of `curate` and `pairs`, and a judge. What is
right is "yes", and every reply that can be read says so. An asker may come to that, or end with an
error of ours or a message that names the endpoint or the sample; nothing else, and not later than
in a few seconds or with more memory than a bound.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import shutil
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import replace
from functools import partial
from math import inf, nan
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

from kuleshov.dataset import write
from kuleshov.endpoint import Endpoint
from kuleshov.errors import KuleshovError
from kuleshov.evaluate.config import CallConfig, EvalConfig, JudgeConfig
from kuleshov.evaluate.judge import grading
from kuleshov.evaluate.runner import evaluate
from kuleshov.report.settings import received
from kuleshov.sample import Json, Sample, Video
from kuleshov.tasks import build, score

Reply = bytes | Callable[[socket.socket], None]

_RIGHT = "yes"
_OTHERS = {
    "content None": "",  # the model's own: it was cut while it thought
    "content []": "",
    "content in halves of characters": "? yes ?",
    "content with a zero": "yes\x00",
    "content of control characters": "\x1b[31myes\x1b[0m\r\n[/red]",
}
"""What is right where it is another text."""
_CALLS = CallConfig(retries=0, timeout_seconds=1.0, most_megabytes=1.0, key_variable="HOSTILE_KEY")
_SECONDS, _MEGABYTES = 5.0, 64.0
"""What an asker may take: some of the time limit of a call, and of the longest answer."""


def tries(folder: Path) -> Iterator[tuple[str, str]]:
    """(what was tried, "" or what is wrong with what came of it: "traceback" or "silent").

    Args:
        folder: to work in.
    """
    data = folder / "set"
    write(data, [_question()], {"videos": str(folder)})
    with server() as (address, sent):
        for name, reply in replies().items():
            sent[:] = [reply]
            for asker, ask in ASKERS.items():
                right = (_RIGHT, _OTHERS.get(name, _RIGHT))
                yield f"{name}, {asker}", wrong(partial(ask, address, data), address, right)


def wrong(ask: Callable[[], str], address: str, right: Sequence[str] = (_RIGHT,)) -> str:
    """What is wrong with how an asker takes a reply, "" if nothing is."""
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    logging.getLogger("kuleshov").addHandler(handler)
    began = time.monotonic()
    tracemalloc.start()
    try:
        with redirect_stderr(told):
            fine = ask() in right
    except KuleshovError as error:
        fine = address in str(error) and "\n" not in str(error)
    except Exception:
        return "traceback"
    finally:
        megabytes = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        logging.getLogger("kuleshov").removeHandler(handler)
    named = address in told.getvalue() or _question().id in told.getvalue()
    bounded = time.monotonic() - began < _SECONDS and megabytes < _MEGABYTES
    return "" if bounded and (fine or named) else "silent"


def _evaluation(address: str, data: Path) -> str:
    run = data.parent / "run"
    shutil.rmtree(run, ignore_errors=True)
    config = EvalConfig(backend="openai", endpoint=address, conditions=("full",), calls=_CALLS)
    results = evaluate("m", data, run, config)
    received([replace(result, num_frames=1) for result in results])  # as the report looks at them
    return " ".join(result.completion for result in results)


def _prompt(address: str, data: Path) -> str:
    with Endpoint(address, "m", _CALLS, data.parent / f"replies-{time.monotonic_ns()}") as endpoint:
        return endpoint.ask("Is it?")


def _verdict(address: str, data: Path) -> str:
    judged = build("given_text", knobs={"judged": True})
    sample = judged.sample([_VIDEO], [], "Is it?", ["a red car"], 0.0)
    judge = JudgeConfig(endpoint=address, model_name="j", calls=_CALLS)
    with grading(judge, score) as grade:
        return _RIGHT if grade(sample, "a car that is red").total == 1.0 else ""


ASKERS: dict[str, Callable[[str, Path], str]] = {
    "an evaluation": _evaluation,
    "a prompt": _prompt,
    "a judge": _verdict,
}
"""What each of them makes of a reply."""

_VIDEO = Video("0" * 32, "v.mp4", "root", 0.0, 60.0, 1800, 64, 64, "h264")


def _question() -> Sample:
    """A question without a video, whose answer is yes."""
    sample = build("given_yes_no").sample([_VIDEO], [], "Is it?", _RIGHT, 0.5)
    return replace(sample, id="0123456789abcdef", split="held_out")


def replies() -> dict[str, Reply]:
    """All replies, by what is wrong with them."""
    found: dict[str, Reply] = {}
    for name, value in _COMPLETIONS.items():
        found[name] = http(json.dumps(value).encode())
    for name, body in _BODIES.items():
        found[name] = http(body)
    for charset in ("rot13", "zlib", "base64", "utf-7", "utf-16", "idna", "none", "\u00fc"):
        kind = f"Content-Type: application/json; charset={charset}"
        found[f"charset {charset}"] = http(_GOOD, kind)
        found[f"an error in charset {charset}"] = http(b"\xff\xfe no", kind, status="400 Bad")
    for status in ("100", "204 No", "206 Part", "301 X", "308 X", "400 X", "401 X", "403 X"):
        found[f"status {status}"] = http(b"no", status=status)
    for status in ("404 X", "413 X", "418 X", "429 X", "500 X", "503 X", "599 X", "999 X"):
        found[f"status {status}"] = http(b"no", status=status)
    for date in _RETRY_AFTER:
        found[f"Retry-After {date[:40]}"] = http(b"no", f"Retry-After: {date}", status="429 X")
    return {**found, **_STREAMS}


def _completion(content: Json = _RIGHT, **more: Json) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {"choices": [{"message": message, "finish_reason": "stop"}], **more}


_GOOD = json.dumps(_completion()).encode()


def _finish(reason: Json) -> dict[str, Any]:
    return {"choices": [{"message": {"content": _RIGHT}, "finish_reason": reason}]}


_TOKENS: tuple[Json, ...] = ("9", 9.5, True, -9, [9], {"n": 9}, None, 10**30, nan, inf)
_USAGE: tuple[Json, ...] = ("9", 9, [9], True, None)
_REASONS: tuple[Json, ...] = (3, [], {"a": 1}, True, "x" * 10**5)
_CONTENTS: tuple[Json, ...] = (3, True, [], [3], {}, [{}], None)
_COMPLETIONS: dict[str, Json] = {
    "nothing wrong": _completion(usage={"prompt_tokens": 9}),
    **{
        f"prompt_tokens {str(value)[:20]}": _completion(usage={"prompt_tokens": value})
        for value in _TOKENS
    },
    **{f"usage {value}": _completion(usage=value) for value in _USAGE},
    **{f"finish_reason {str(v)[:20]}": _finish(v) for v in _REASONS},
    **{f"content {value}": _completion(value) for value in _CONTENTS},
    "content in halves of characters": _completion("\ud83d yes \udc00"),
    "content with a zero": _completion("yes\x00"),
    "content of control characters": _completion("\x1b[31myes\x1b[0m\r\n[/red]"),
    "no choices": {"choices": []},
    "choices that are text": {"choices": "yes"},
    "choices by name": {"choices": {"0": {"message": {"content": "yes"}}}},
    "choices that are numbers": {"choices": [1]},
    "a choice without a message": {"choices": [{}]},
    "a message that is text": {"choices": [{"message": "yes"}]},
    "a message that is a list": {"choices": [{"message": ["yes"]}]},
    "an error with status 200": {"error": {"message": "overloaded"}},
    "a list": [],
    "a text": "yes",
    "null": None,
    "a number": 3,
}

_BODIES: dict[str, bytes] = {
    "empty": b"",
    "white space": b" \n" * 1000,
    "cut": _GOOD[:-9],
    "twice": _GOOD * 2,
    "a page": b"<!DOCTYPE html><html><body>yes</body></html>",
    "lists in lists": b"[" * 400_000,
    "objects in objects": b'{"choices":' * 80_000,
    "lists in lists beside it": _GOOD[:-1] + b', "x": ' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    "a number of many digits": _GOOD[:-1] + b', "x": ' + b"9" * 100_000 + b"}",
    "a byte order mark": b"\xef\xbb\xbf" + _GOOD,
    "UTF-16": _GOOD.decode().encode("utf-16"),
    "Latin-1": json.dumps(_completion("j\u00e4"), ensure_ascii=False).encode("latin-1"),
    "zeros": b"\x00" * 1000,
    "noise": bytes(range(256)) * 40,
    "half a megabyte of keys": json.dumps(
        {**_completion(), **dict.fromkeys(map(str, range(40_000)), 0)}
    ).encode(),
    "too long": json.dumps(_completion("yes " * 500_000)).encode(),
    "many small things": b"[{}," * 300_000,
    "server-sent events": b"data: " + _GOOD + b"\n\ndata: [DONE]\n\n",
}

_RETRY_AFTER = (
    *("Mon, 01 Jan 99999 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -9999", "9" * 5000, "-1"),
    *("Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 99999999999999999999 23:59:59", "1e999"),
    *("nan", "inf", "\u0663", "soon", "Mon, 99 Foo -1 99:99:99"),
)


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + body


def _trickling(start: bytes, piece: bytes = b" ") -> Reply:
    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(0.05)

    return send


def _endless(start: bytes, piece: bytes) -> Reply:
    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)

    return send


_OK = b"HTTP/1.1 200 OK\r\n"
_GZIP, _DEFLATE = (_OK + b"Content-Encoding: %s\r\n\r\n" % kind for kind in (b"gzip", b"deflate"))
_STREAMS: dict[str, Reply] = {
    "closed at once": b"",
    "no HTTP": b"220 mail.example ESMTP\r\n",
    "half a status": b"HTTP/1.1 2",
    "a status that is none": b"HTTP/1.1 two hundred\r\n\r\n",
    "half the headers": _OK + b"Content-Le",
    "a length that is none": _OK + b"Content-Length: many\r\n\r\n" + _GOOD,
    "a length that is too long": _OK + b"Content-Length: 99999\r\n\r\n" + _GOOD,
    "two lengths": _OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + _GOOD,
    "chunks that are none": _OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + _GOOD,
    "chunks that are cut": _OK + b"Transfer-Encoding: chunked\r\n\r\n99\r\n" + _GOOD[:20],
    "headers without end": _endless(_OK, b"X-Y: z\r\n"),
    "gzip that is none": http(_GOOD, "Content-Encoding: gzip"),
    "gzip that is cut": http(gzip.compress(_GOOD)[:-20], "Content-Encoding: gzip"),
    "gzip": http(gzip.compress(_GOOD), "Content-Encoding: gzip"),
    "an encoding that is none": http(_GOOD, "Content-Encoding: rot13"),
    "a bomb of gzip": _GZIP + gzip.compress(b" " * 300_000_000),
    "a bomb of deflate": _DEFLATE + zlib.compress(b"[" * 300_000_000),
    "a body without end": _endless(_OK + b"\r\n", b" " * 65_536),
    "an error without end": _endless(b"HTTP/1.1 400 X\r\n\r\n", b"no " * 20_000),
    "a body that trickles": _trickling(_OK + b"\r\n"),
    "headers that trickle": _trickling(_OK + b"X: ", b"x"),
    "a status that trickles": _trickling(b"HTTP", b"/"),
    "chunks that trickle": _trickling(_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "silence": _trickling(b"", b""),
    "itself as the place to go": http(b"", "Location: /v1/chat/completions", status="307 X"),
}


@contextmanager
def server() -> Iterator[tuple[str, list[Reply]]]:
    """A server on 127.0.0.1, and the list whose only reply it gives."""
    sent: list[Reply] = []

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while (line := self.rfile.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            self.rfile.read(length)
            with suppress(OSError):
                if isinstance(sent[0], bytes):
                    self.connection.sendall(sent[0])
                else:
                    sent[0](self.connection)

    class Server(ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that has gone is no error here."""

    with Server(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", sent
        finally:
            server.shutdown()
