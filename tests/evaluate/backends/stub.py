"""An OpenAI-compatible endpoint on this machine that answers, or fails, as it is told."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

Behaviour = Callable[[BaseHTTPRequestHandler], None]


class Call(NamedTuple):
    """One request that came in."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    at: float


def completion(text: str | None = "2,1", **changes: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    reply = {"choices": [{**choice, "finish_reason": "stop"}], "usage": {"prompt_tokens": 321}}
    return {**reply, **changes}


def answers(
    status: int = 200, body: object = None, headers: dict[str, str] | None = None
) -> Behaviour:
    """An answer with a status; the body is JSON, or bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body or completion()).encode()

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return behave


def drops(handler: BaseHTTPRequestHandler) -> None:
    """The connection is closed without a word."""
    handler.close_connection = True


def late(seconds: float) -> Behaviour:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        answers()(handler)

    return behave


def trickles(start: bytes = b"", piece: bytes = b" ") -> Behaviour:
    """What it begins with, then a byte now and then, for ever."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(start)
        with suppress(OSError):
            while True:
                handler.wfile.write(piece)
                handler.wfile.flush()
                time.sleep(0.05)

    return behave


def endless(status: int, piece: bytes, headers: str = "") -> Behaviour:
    """An answer that has no end, as fast as it is read."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(f"HTTP/1.1 {status} X\r\n{headers}\r\n".encode())
        with suppress(OSError):
            while True:
                handler.wfile.write(piece)

    return behave


def together(stub: Stub, count: int, then: Behaviour | None = None) -> Behaviour:
    """Not before so many are asked at once, or for 20 seconds."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        deadline = time.monotonic() + 20
        while stub.most_at_once < count and time.monotonic() < deadline:
            time.sleep(0.005)
        (then or answers())(handler)

    return behave


class Stub:
    """What came in, and what is answered: the scripted behaviours first, then `otherwise`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.script: deque[Behaviour] = deque()
        self.otherwise: Behaviour = answers()
        self.open: Event = Event()
        self.open.set()
        self.most_at_once = 0
        self._at_once = 0
        self._lock = Lock()
        self.url = ""

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        data = handler.rfile.read(int(handler.headers["Content-Length"]))
        with self._lock:
            self.calls.append(
                Call(handler.path, json.loads(data), dict(handler.headers), time.monotonic())
            )
            behave = self.script.popleft() if self.script else self.otherwise
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        self.open.wait(20)
        behave(handler)
        with self._lock:
            self._at_once -= 1


@contextmanager
def endpoint() -> Iterator[Stub]:
    """A stub that listens on 127.0.0.1."""
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        # Kept until `handle` is through, or a client that has its answer could ask again before the
        # request is counted off.
        wbufsize = -1

        def do_POST(self) -> None:
            stub.handle(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that has gone is no error here."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        stub.url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield stub
        finally:
            server.shutdown()
