"""A language model behind an address, asked one thing at a time: keywords, or what a clip shows.

Any endpoint that speaks OpenAI's chat completions; it is called as an evaluated model is
(evaluate/backends/calls.py), with the same patience and the key from the same variable. Replies may
be kept in a file, so that work which a kill or a failure stopped asks for none of them again.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self, final

from kuleshov.evaluate.backends.calls import Calls
from kuleshov.evaluate.backends.openai import data_url
from kuleshov.evaluate.config import CallConfig
from kuleshov.files import append_lines
from kuleshov.randomness import digest
from kuleshov.sample import Pixels, dump_json


@final
class Endpoint(AbstractContextManager["Endpoint"]):
    """Prompts to replies, at temperature 0.

    Args:
        address: such as http://127.0.0.1:8000/v1, to which `/chat/completions` is added.
        model: what it calls the model.
        calls: how it is called.
        kept: file of replies, one a line; what was asked before is answered from it.

    Raises:
        UsageError: httpx2 is not installed (extra `endpoint`).
    """

    def __init__(
        self, address: str, model: str, calls: CallConfig | None = None, kept: Path | None = None
    ) -> None:
        self.model = model
        whole = f"{address.rstrip('/')}/chat/completions"
        told = "Nothing is written" if kept is None else f"The replies so far are kept in {kept}"
        self._calls = Calls(whole, calls or CallConfig(), told)
        self._kept, self._replies = kept, {} if kept is None else _read(kept)

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

    def _reply(self, content: Any) -> str:
        messages = [{"role": "user", "content": content}]
        body = {"model": self.model, "messages": messages, "temperature": 0}
        if self._kept is None:
            return self._calls.post(body).text
        asked = f"{digest(dump_json(body)):032x}"
        if asked not in self._replies:
            self._replies[asked] = self._calls.post(body).text
            line = dump_json({"asked": asked, "reply": self._replies[asked]})
            append_lines(self._kept, f"{line}\n")
        return self._replies[asked]


def _read(path: Path) -> dict[str, str]:
    """Replies by what was asked; a line that a kill cut short is left out."""
    replies: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        replies[found["asked"]] = found["reply"]
    return replies
