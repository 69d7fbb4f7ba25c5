from __future__ import annotations

import json
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.keywords import PROMPT, asked, extracted, parsed

CAPTION = "A man walks along the road, then suddenly flicks a switch and the light flashes twice."


class Stub:
    """An endpoint on this machine that answers chat completions with a fixed text."""

    def __init__(self) -> None:
        self.reply, self.prompts = "[]", list[str]()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stub.prompts.append(body["messages"][0]["content"])
                choice = {"message": {"role": "assistant", "content": stub.reply}}
                data = json.dumps({"choices": [choice]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    def ask(self, prompt: str) -> str:
        """What a client of the protocol does."""
        body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
        port = self.server.server_address[1]
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return str(json.load(response)["choices"][0]["message"]["content"])


@pytest.fixture
def stub() -> Iterator[Stub]:
    stub = Stub()
    thread = threading.Thread(target=stub.server.serve_forever)
    thread.start()
    yield stub
    stub.server.shutdown()
    thread.join()
    stub.server.server_close()


def test_an_endpoint_is_asked_with_the_prompt_and_its_array_is_read(stub: Stub) -> None:
    stub.reply = '["flicks a switch", "light flashes"]\n'
    assert asked(CAPTION, stub.ask, most=3) == ["flicks a switch", "light flashes"]
    assert stub.prompts == [PROMPT.format(most=3, words=4, text=CAPTION)]


def test_a_text_with_braces_is_asked_as_it_is(stub: Stub) -> None:
    assert asked("a {most} sign", stub.ask) == []
    assert stub.prompts[0].endswith("Text: a {most} sign")


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "flash",
        '"flash"',
        '{"keywords": ["flash"]}',
        'Here you are: ["flash"]',
        '```json\n["flash"]\n```',
        '["flash", 3]',
        '["flash", ""]',
        '["flash", "Flash "]',
        '["the light in the room flashes"]',
        '["a", "b", "c", "d", "e", "f"]',
        '["flash"] ["bump"]',
        "[" * 100000,
    ],
)
def test_a_reply_of_another_form_gives_no_keywords(stub: Stub, reply: str) -> None:
    stub.reply = reply
    with pytest.raises(UsageError, match="gives no keywords; allowed: a JSON array of at most 5"):
        asked(CAPTION, stub.ask)


@given(st.text(max_size=60))
def test_any_reply_is_read_or_refused(reply: str) -> None:
    try:
        words = parsed(reply)
    except UsageError:
        return
    assert json.loads(reply) is not None and all(words)


def test_yake_finds_what_a_caption_is_about() -> None:
    found = extracted(CAPTION)
    assert "light flashes" in found and "suddenly flicks" in found and len(found) <= 5
    words = [word for phrase in found for word in phrase.casefold().split()]
    assert len(words) == len(set(words))


def test_a_question_has_keywords_too() -> None:
    assert extracted("How many times does the light flash?")[0] == "light flash"


@pytest.mark.parametrize("text", ["", "?", "Is it?"])
def test_a_text_without_content_has_no_keywords(text: str) -> None:
    assert extracted(text) == []


def test_most_limits_the_number() -> None:
    assert len(extracted(CAPTION, most=2)) == 2


def test_without_yake_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yake", None)
    with pytest.raises(UsageError, match=r"pip install 'kuleshov\[pairs\]'"):
        extracted(CAPTION)
