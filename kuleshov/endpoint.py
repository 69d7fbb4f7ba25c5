"""A language model behind an address, asked one thing at a time: keywords, or what a clip shows.

Any endpoint that speaks OpenAI's chat completions; it is called as an evaluated model is
(evaluate/backends/calls.py), with the same patience and the key from the same variable.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Self, final

from kuleshov.evaluate.backends.calls import Calls
from kuleshov.evaluate.backends.openai import data_url
from kuleshov.evaluate.config import CallConfig
from kuleshov.sample import Pixels


@final
class Endpoint(AbstractContextManager["Endpoint"]):
    """Prompts to replies, at temperature 0.

    Args:
        address: such as http://127.0.0.1:8000/v1, to which `/chat/completions` is added.
        model: what it calls the model.
        calls: how it is called.

    Raises:
        UsageError: httpx2 is not installed (extra `endpoint`).
    """

    def __init__(self, address: str, model: str, calls: CallConfig | None = None) -> None:
        self.model = model
        whole = f"{address.rstrip('/')}/chat/completions"
        self._calls = Calls(whole, calls or CallConfig(), "Nothing is written")

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
        return self._calls.post(body).text
