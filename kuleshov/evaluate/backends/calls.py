"""Calls of an endpoint that may fail: paced, tried again with growing waits, then given up.

no connection, dropped, timed out       tried again
a host that there is not                tried again twice
408, 409, 429, 5xx                      tried again, after Retry-After if that is longer
no JSON, no choices                     tried again
any other status                        given up at once: the request has to change, and how is said
too long an answer                      given up at once

Time and size of an answer are bounded as a whole, whatever comes in between. The key comes from the
environment, goes into the header and nowhere else (client.py).
"""

from __future__ import annotations

import json
import random
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event, Lock, Thread
from types import MappingProxyType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from kuleshov.errors import EndpointError, RefusedError
from kuleshov.evaluate.backends.client import Key, client, failures
from kuleshov.evaluate.config import CallConfig

_AGAIN = (408, 409, 429)
_TEXT_PARTS = ("text", "output_text")
_FILTERED = "content_filter"
"""Why an answer ends that a filter of the endpoint holds back."""
_REFUSALS = (400, 413, 422, 451)
"""What is wrong may be with this one request: too long, or against somebody's rules."""
_LOOKED_UP_AGAIN = 2
"""Times that a host whose name is not known is asked for again."""
_EXCERPT = 300
_READ_OF_ERRORS = 65_536
"""Bytes of an answer that is none: more than an excerpt, and the name of a refused parameter."""
_MOST_TOKENS = 10**9
_KEPT = "What was answered is kept and nothing is scored in its place"


class Answer(NamedTuple):
    """A completion as an endpoint gave it.

    Args:
        text: of its first choice; where a server that takes thoughts apart left nothing of it,
            the thought, which may hold the answer; "" where a model gave none.
        finish: why it ends; "" if that is not said.
        num_tokens: of the prompt; None if that is not said.
        reasoning: the thought that a server took apart from the answer; "" for none.
    """

    text: str
    finish: str
    num_tokens: int | None
    reasoning: str = ""


class _Raw(NamedTuple):
    """An answer as it came in; of one that is none only the start."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def text(self) -> str:
        """What an error may quote, whatever character set it claims to be in."""
        return self.data[:_READ_OF_ERRORS].decode("utf-8", "replace")


class _Failed(Exception):
    """A call that may be tried again, after `seconds` at least."""

    def __init__(self, why: str, seconds: float = 0.0) -> None:
        super().__init__(why)
        self.seconds = seconds


class _NoHost(_Failed):
    """The host's name is not known, which hardly changes while one waits."""


class Calls:
    """POST with patience, from several threads.

    Args:
        address: what is called.
        config: how.
        kept: what an error says of what was done before it.
        remedies: settings by what they change: "parameter" takes away the one that stands for {},
            413 makes requests smaller.

    Raises:
        UsageError: httpx2 is not installed, or the environment stands in the way (client.py).
    """

    def __init__(
        self,
        address: str,
        config: CallConfig,
        kept: str = _KEPT,
        remedies: Mapping[int | str, str] = MappingProxyType({}),
    ) -> None:
        self.address, self.config, self._kept, self._remedies = address, config, kept, remedies
        self._key = Key(config.key_variable)
        self._client = client(address, config, self._key)
        self._failures = failures()
        self._stopped = Event()
        self._lock = Lock()
        self._next_start = 0.0

    def __enter__(self) -> Self:
        self._stopped.clear()
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def give_up(self) -> None:
        """Try nothing again from here on, and end all waits."""
        self._stopped.set()

    def post(self, body: dict[str, Any]) -> Answer:
        """The endpoint's answer.

        Raises:
            EndpointError: there is none, after all retries.
        """
        for attempt in range(self.config.retries + 1):
            self._wait_for_turn()
            try:
                return self._post(body)
            except _NoHost as failed:
                why, seconds = str(failed), failed.seconds
                if attempt >= _LOOKED_UP_AGAIN:
                    host = urlsplit(self.address).hostname
                    raise self._error(
                        f"{why}, {attempt + 1} times",
                        f"there is no host {host}; give the address of one that there is",
                    ) from failed
            except _Failed as failed:
                why, seconds = str(failed), failed.seconds
            if seconds > self.config.longest_wait_seconds:
                raise self._error(
                    f"{why}, and to wait {seconds:.6g} s, more than calls.longest_wait_seconds"
                )
            if attempt < self.config.retries:
                self._stopped.wait(max(seconds, self._wait_after(attempt)))
        raise self._error(f"{why}, {self.config.retries + 1} times")

    def _wait_after(self, attempt: int) -> float:
        whole = self.config.first_wait_seconds * 2.0**attempt
        return min(whole, self.config.longest_wait_seconds) * random.uniform(0.5, 1.0)

    def _wait_for_turn(self) -> None:
        """Start no more requests in a minute than allowed, evenly spaced."""
        if self.config.per_minute is not None:
            with self._lock:
                start = max(time.monotonic(), self._next_start)
                self._next_start = start + 60 / self.config.per_minute
            self._stopped.wait(start - time.monotonic())
        if self._stopped.is_set():
            raise self._error("the run is stopping")

    def _post(self, body: dict[str, Any]) -> Answer:
        answer = self._answer(body)
        if (status := answer.status) != 200:
            why = f"it answers {status}: {self._excerpt(answer.text)}"
            if status in _AGAIN or status >= 500:
                raise _Failed(why, _seconds(answer.headers.get("Retry-After", "")))
            refused = RefusedError if status in _REFUSALS else EndpointError
            raise refused(str(self._error(why, self._advice(answer, body))))
        if len(answer.data) > self._most_bytes:
            raise self._error(
                f"an answer of more than {self.config.most_megabytes:g} MB",
                "ask for less in a completion, or raise calls.most_megabytes",
            )
        try:
            read = _read(json.loads(answer.data))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise _Failed(f"no chat completion: {self._excerpt(answer.text)}") from error
        if read.finish == _FILTERED and not read.text:
            why = f"it holds its answer back: {self._excerpt(answer.text)}"
            raise RefusedError(str(self._error(why, "see what it says")))
        return read

    @property
    def _most_bytes(self) -> int:
        return int(self.config.most_megabytes * 1e6)

    def _answer(self, body: dict[str, Any]) -> _Raw:
        """One request, in a thread of its own: so it ends in time, whatever trickles in."""
        found: Future[_Raw] = Future()
        seconds = self.config.timeout_seconds
        Thread(target=self._fetch, args=(body, found), daemon=True).start()
        wait([found], seconds)
        if found.cancel():  # it has not come in, and nobody waits for it any more
            raise _Failed(f"no whole answer within {seconds:g} s (calls.timeout_seconds)")
        try:
            return found.result()
        except self._failures as error:
            why = f"{type(error).__name__}: {error}"
            if _is_certificate(error):
                raise self._error(
                    why, "set SSL_CERT_FILE to a file with the certificates to trust"
                ) from error
            if _is_no_host(error):
                raise _NoHost(why) from error
            raise _Failed(why) from error

    def _fetch(self, body: dict[str, Any], found: Future[_Raw]) -> None:
        """Read an answer for as long as somebody waits for it, and no further than it may go."""
        try:
            with self._client.stream("POST", self.address, json=body) as response:
                status, data = response.status_code, bytearray()
                most = self._most_bytes if status == 200 else _READ_OF_ERRORS
                for piece in response.iter_bytes():
                    data += piece
                    if len(data) > most or found.cancelled():
                        break
                answer = _Raw(status, response.headers, bytes(data[: most + 1]))
            found.set_result(answer)
        except Exception as error:
            if not found.cancelled():
                found.set_exception(error)

    def _advice(self, answer: _Raw, body: dict[str, Any]) -> str:
        """What to change in a request that is refused."""
        status, variable = answer.status, self._key.variable
        if status in (401, 403):
            if not self._key.headers:
                return f"it holds no key; set the environment variable {variable}"
            return f"the key in the environment variable {variable} may not do this"
        if status in (404, 405):
            return (
                "an address goes up to /v1, to which /chat/completions is added, and the model is "
                f"asked for by the name {body.get('model')!r}; give the ones that the endpoint has"
            )
        if 300 <= status < 400:
            place = self._excerpt(answer.headers.get("Location", ""))
            return f"it points to {place}; give the address that answers itself"
        if status in self._remedies:
            return self._remedies[status]
        if (named := _named(answer.text, body)) and "parameter" in self._remedies:
            return self._remedies["parameter"].format(named)
        return "see what it says"

    def masked(self, text: str) -> str:
        """A text that may be shown: some endpoints repeat the key."""
        return self._key.masked(text)

    def _excerpt(self, text: str) -> str:
        """The start of what it says."""
        return " ".join(self.masked(text).split())[:_EXCERPT] or "(nothing)"

    def _error(self, why: str, change: str = "") -> EndpointError:
        then = (
            f"the request has to change: {change}. Then start the command again"
            if change
            else "start the same command again when the endpoint is well"
        )
        text = f"{self.address} gives no answer: {why}. {self._kept}; {then}"
        return EndpointError(self.masked(text))


def _is_certificate(error: BaseException) -> bool:
    """Whether a connection failed as its other end is not trusted, which it will not be later."""
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in _behind(error))


def _is_no_host(error: BaseException) -> bool:
    """Whether a name is not known; that it could not be looked up for now is another error."""
    unknown = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
    found = (one for one in _behind(error) if isinstance(one, socket.gaierror))
    return any(one.errno in unknown for one in found)


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _named(text: str, body: dict[str, Any]) -> str | None:
    """The parameter of a request that a refusal is about; None if it names none."""
    try:
        param = json.loads(text)["error"]["param"]
    except (ValueError, LookupError, TypeError, RecursionError):
        param = None
    keys = [key for key in body if key not in ("model", "messages")]
    if param in keys:
        return str(param)
    # One in quotes is surely meant; else the one that is named first.
    patterns = r"""['"`]{}['"`]""", r"(?<![\w.]){}(?!\w)"
    for pattern in patterns:
        found = {key: re.search(pattern.format(re.escape(key)), text) for key in keys}
        places = {key: match.start() for key, match in found.items() if match}
        if places:
            return min(places, key=lambda key: places[key])
    return None


def _read(reply: dict[str, Any]) -> Answer:
    choice = reply["choices"][0]
    text = _text(choice["message"].get("content"))
    reasoning = next(
        (
            found
            for key in ("reasoning_content", "reasoning")
            if isinstance(found := choice["message"].get(key), str)
        ),
        "",
    )
    finish = choice.get("finish_reason")
    usage = reply.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return Answer(
        _whole(text or reasoning),
        _whole(finish[:_EXCERPT]) if isinstance(finish, str) else "",
        tokens if type(tokens) is int and 0 <= tokens < _MOST_TOKENS else None,
        _whole(reasoning),
    )


def _text(content: object) -> str:
    """The text of a message: a string, a part, or a list of either; "" for parts without text.

    Raises:
        TypeError: it is something else.
    """
    parts = content if isinstance(content, list) else [content]
    if any(isinstance(part, dict) for part in parts):
        # Thoughts, pictures and the like are parts of other kinds.
        ours = [p for p in parts if isinstance(p, dict) and p.get("type", "text") in _TEXT_PARTS]
        parts = content = [part.get("text") for part in ours]
    texts = [part for part in parts if isinstance(part, str)]
    if content is not None and len(texts) < len(parts):
        raise TypeError(type(content))
    return "".join(texts)


def _whole(text: str) -> str:
    """A text without halves of characters, which no file takes."""
    return text.encode("utf-8", "replace").decode()


def _seconds(retry_after: str) -> float:
    """The header in seconds: a number or a date; 0 where it is neither.

    >>> _seconds("2.5"), _seconds("soon"), _seconds("Wed, 21 Oct 2015 07:28:00 GMT")
    (2.5, 0.0, 0.0)
    """
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(retry_after)
        wait = date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)
    except (ValueError, TypeError, LookupError, OverflowError):
        return 0.0
    return max(0.0, wait.total_seconds())
