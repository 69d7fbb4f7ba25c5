"""Calls of an endpoint that may fail: paced, tried again with growing waits, then given up.

no connection, dropped, timed out       tried again
408, 409, 429, 5xx                      tried again, after Retry-After if that is longer
no JSON, no choices                     tried again
any other status                        given up at once: asking again changes nothing

The key comes from the environment, goes into the header and nowhere else.
"""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event, Lock
from typing import Any, NamedTuple, Self

from kuleshov.errors import EndpointError, UsageError
from kuleshov.evaluate.config import CallConfig

_AGAIN = (408, 409, 429)
_EXCERPT = 300
_KEPT = "What was answered is kept and nothing is scored in its place"


class Answer(NamedTuple):
    """A completion as an endpoint gave it.

    Args:
        text: of its first choice; "" where a model gave none, such as one that was cut while it
            was thinking.
        finish: why it ends; "" if that is not said.
        num_tokens: of the prompt; None if that is not said.
    """

    text: str
    finish: str
    num_tokens: int | None


class _Failed(Exception):
    """A call that may be tried again, after `seconds` at least."""

    def __init__(self, why: str, seconds: float = 0.0) -> None:
        super().__init__(why)
        self.seconds = seconds


class Calls:
    """POST with patience, from several threads.

    Args:
        address: what is called.
        config: how.
        kept: what an error says of what was done before it.

    Raises:
        UsageError: httpx2 is not installed.
    """

    def __init__(self, address: str, config: CallConfig, kept: str = _KEPT) -> None:
        try:
            import httpx2
        except ImportError as error:
            raise UsageError(
                "backend openai needs httpx2, which is not installed; "
                "pip install 'kuleshov[endpoint]'"
            ) from error
        self.address, self.config, self._kept = address, config, kept
        self._key = os.environ.get(config.key_variable, "")
        self._failures = httpx2.RequestError
        self._client = httpx2.Client(
            timeout=config.timeout_seconds,
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            limits=httpx2.Limits(max_connections=config.concurrency),
        )
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
            except _Failed as failed:
                why, seconds = str(failed), failed.seconds
            if seconds > self.config.longest_wait_seconds:
                raise self._error(
                    f"{why}, and to wait {seconds:.0f} s, more than calls.longest_wait_seconds"
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
        try:
            response = self._client.post(self.address, json=body)
        except self._failures as error:
            raise _Failed(f"{type(error).__name__}: {error}") from error
        status = response.status_code
        if status in _AGAIN or status >= 500:
            why = f"it answers {status}: {self._excerpt(response.text)}"
            raise _Failed(why, _seconds(response.headers.get("Retry-After", "")))
        if status != 200:
            raise self._error(f"it answers {status}: {self._excerpt(response.text)}")
        try:
            return _read(response.json())
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise _Failed(f"no chat completion: {self._excerpt(response.text)}") from error

    def _excerpt(self, text: str) -> str:
        """The start of what it says; some repeat the key."""
        shown = text.replace(self._key, "***") if self._key else text
        return " ".join(shown.split())[:_EXCERPT] or "(nothing)"

    def _error(self, why: str) -> EndpointError:
        return EndpointError(
            f"{self.address} gives no answer: {why}. {self._kept}; start the same command again "
            "when the endpoint is well"
        )


def _read(reply: dict[str, Any]) -> Answer:
    choice = reply["choices"][0]
    text = choice["message"].get("content") or ""
    if not isinstance(text, str):
        raise TypeError(type(text))
    tokens = (reply.get("usage") or {}).get("prompt_tokens")
    return Answer(text, str(choice.get("finish_reason") or ""), tokens)


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
    except ValueError:
        return 0.0
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
