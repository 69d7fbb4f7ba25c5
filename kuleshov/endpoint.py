"""A language model behind an address: keywords, or what a clip shows.

Any endpoint that speaks OpenAI's chat completions; it is called as an evaluated model is
(evaluate/backends/calls.py), with the same patience and the key from the same variable. Replies may
be kept in a file, so that work which a kill or a failure stopped asks for none of them again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock
from typing import Any, Self, TypeVar, final

from kuleshov.evaluate.address import check_address, completions
from kuleshov.evaluate.backends.calls import Calls
from kuleshov.evaluate.backends.openai import data_url
from kuleshov.evaluate.config import CallConfig
from kuleshov.files import append_lines, read_lines
from kuleshov.randomness import digest
from kuleshov.sample import Pixels, dump_json

Item = TypeVar("Item")
Found = TypeVar("Found")
_AHEAD = 4
"""Items that are taken for each call that may be under way, so that a slow one holds up few."""


@final
class Endpoint(AbstractContextManager["Endpoint"]):
    """Prompts to replies, at temperature 0.

    Args:
        address: such as http://127.0.0.1:8000/v1, to which `/chat/completions` is added.
        model: what it calls the model.
        calls: how it is called.
        kept: file of replies, one a line; what was asked before is answered from it.

    Raises:
        UsageError: no address, httpx2 is not installed (extra `endpoint`), or the environment
            stands in the way (client.py).
    """

    def __init__(
        self, address: str, model: str, calls: CallConfig | None = None, kept: Path | None = None
    ) -> None:
        check_address(address, "endpoint")
        self.model = model
        told = "Nothing is written" if kept is None else f"The replies so far are kept in {kept}"
        self._calls = Calls(completions(address), calls or CallConfig(), told)
        self._kept, self._replies = kept, {} if kept is None else _read(kept)
        self._lock = Lock()

    def __enter__(self) -> Self:
        self._calls.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._calls.__exit__(*error)

    def ask(self, prompt: str) -> str:
        """The reply to a text.

        Raises:
            EndpointError: there is none, after all retries.
        """
        return self._reply(prompt)

    def see(self, prompt: str, frames: Pixels) -> str:
        """The reply to a text and the frames before it, as PNG.

        Args:
            prompt: the text.
            frames: uint8 of shape (frames, height, width, 3).

        Raises:
            EndpointError: there is none, after all retries.
        """
        shown = [{"type": "image_url", "image_url": {"url": data_url(f, "png")}} for f in frames]
        return self._reply([*shown, {"type": "text", "text": prompt}])

    def each(self, work: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
        """What `work` gives of each item, in their order: `map`, with several calls at a time.

        Args:
            work: asks this endpoint; it is called in threads, `calls.concurrency` of them.
            items: are taken some ahead.

        Raises:
            Exception: what `work` raises, first in the order of the items. Nothing further is
                begun, and what is under way is waited for without further tries.
        """
        count = self._calls.config.concurrency
        under_way: deque[Future[Found]] = deque()
        with ThreadPoolExecutor(count) as pool:
            try:
                for item in items:
                    under_way.append(pool.submit(work, item))
                    if len(under_way) == _AHEAD * count:
                        yield under_way.popleft().result()
                while under_way:
                    yield under_way.popleft().result()
            except BaseException:
                self._calls.give_up()
                for future in under_way:
                    future.cancel()
                raise

    def _reply(self, content: Any) -> str:
        messages = [{"role": "user", "content": content}]
        body = {"model": self.model, "messages": messages, "temperature": 0}
        if self._kept is None:
            return self._calls.post(body).text
        asked = f"{digest(dump_json(body)):032x}"
        if asked not in self._replies:
            reply = self._calls.post(body).text
            with self._lock:
                self._replies[asked] = reply
                append_lines(self._kept, f"{dump_json({'asked': asked, 'reply': reply})}\n")
        return self._replies[asked]


def _read(path: Path) -> dict[str, str]:
    """Replies by what was asked."""
    replies: dict[str, str] = {}
    for line in read_lines(path):
        if "asked" in line and "reply" in line:
            replies[str(line["asked"])] = str(line["reply"])
    return replies
