"""Whatever answers at an address as OpenAI's chat completions do: services, vLLM, SGLang.

Frames are sent as images, each after a text with the time at which it is shown, since the
protocol has no videos with times of our own. The wording is ours:

    <video>   "[1.25 s]" image "[1.5 s]" image ...
    <image>   image

What fails is tried again (calls.py); an answer that cannot be had is an error, never a score. A
question that is refused by itself is given back with its reason, and the others go on.

All sampling settings are sent, as servers such as `vllm serve` take those of the checkpoint for
what is left out. Services that know OpenAI's keys only refuse the others by name; such a one is
left out from there on, with a warning, and written down as unknown.
"""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, final

from PIL import Image

from kuleshov.errors import EndpointError, RefusedError
from kuleshov.evaluate.address import completions
from kuleshov.evaluate.backends.backend import (
    Backend,
    Refusal,
    Reply,
    Request,
    Shown,
    digest_of,
)
from kuleshov.evaluate.backends.calls import Answer, Calls
from kuleshov.evaluate.config import EvalConfig
from kuleshov.generation import OPENAI, Sampling
from kuleshov.sample import VIDEO, Pixels

_REMEDIES: dict[int | str, str] = {
    "parameter": "--set body.{0}=null takes {0} away",
    413: "--set images=jpeg sends smaller pictures",
}
_SAVE: dict[str, dict[str, Any]] = {"png": {}, "jpeg": {"quality": 90}}


@final
class OpenAI(Backend):
    """Chat completions of an endpoint, several at a time.

    Args:
        endpoint: its address, to which `/chat/completions` is added.
        model: what it calls the model.
        config: the settings.

    Raises:
        UsageError: httpx2 is not installed (extra `endpoint`), or the environment stands in the way
            (client.py).
    """

    def __init__(self, endpoint: str, model: str, config: EvalConfig) -> None:
        self.model, self.config = model, config
        self.calls = Calls(completions(endpoint), config.calls, remedies=_REMEDIES)
        self._refused: frozenset[str] = frozenset()  # keys that the endpoint does not know

    def ask(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Reply | Refusal]]:
        rest = iter(requests)
        under_way: dict[Future[Reply], Request] = {}
        failed: EndpointError | None = None
        with self.calls, ThreadPoolExecutor(self.config.calls.concurrency) as pool:
            try:
                while True:
                    while failed is None and len(under_way) < self.config.calls.concurrency:
                        request = next(rest, None)
                        if request is None:
                            break
                        under_way[pool.submit(self._answer, request)] = request
                    if not under_way:
                        break
                    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                        request = under_way.pop(future)
                        try:
                            reply: Reply | Refusal = future.result()
                        except RefusedError as error:
                            yield request, Refusal(str(error))
                        except EndpointError as error:
                            # Others are waited for, without further tries: they are paid for.
                            failed = failed or error
                            self.calls.give_up()
                        else:
                            yield request, reply
            finally:
                self.calls.give_up()
        if failed is not None:
            raise failed

    def _answer(self, request: Request) -> Reply:
        content = [
            part
            for given in request.parts()
            for part in (
                [_text(given)] if isinstance(given, str) else _shown(given, self.config.images)
            )
        ]
        asked = [{"role": "user", "content": content}]
        body = {
            "model": self.model,
            "messages": asked,
            "temperature": self.config.temperature,
            **self.config.sampling.openai(),
            "max_tokens": self.config.max_completion_tokens,
            "seed": request.seed,
            **self.config.body,
        }
        answer, sent = self._post({key: v for key, v in body.items() if v is not None})
        return Reply(
            text=answer.text,
            finish=answer.finish,
            num_frames=sum(len(frames) for frames in request.pixels),
            num_tokens=answer.num_tokens,
            seconds=request.seconds(),
            sizes=request.sizes(),
            sent=digest_of(asked),
            sampling=self.config.sampling.sent(sent),
            reasoning=answer.reasoning,
        )

    def _post(self, body: dict[str, Any]) -> tuple[Answer, dict[str, Any]]:
        """The answer, and what was sent: without the keys that the endpoint refuses by name.

        Only those go that say no more than that nothing is to be done.
        """
        off = Sampling().openai().items() & self.config.sampling.openai().items()
        spare = dict(off).keys() - OPENAI - self.config.body.keys()
        while True:
            sent = {key: value for key, value in body.items() if key not in self._refused}
            try:
                return self.calls.post(sent), sent
            except EndpointError as error:
                named = {key for key in spare & sent.keys() if key in str(error)}
                if not named:
                    raise
                if new := named - self._refused:
                    self._refused |= new
                    logging.getLogger(__name__).warning(
                        "%s takes no %s; what it does instead is not known, and written down as "
                        "null",
                        self.calls.address,
                        " and no ".join(sorted(new)),
                    )


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _shown(shown: Shown, format: str) -> Iterator[dict[str, Any]]:
    """The parts of the message for a media item."""
    for recipe, frame in zip(shown.item.frames, shown.pixels, strict=True):
        if shown.placeholder == VIDEO:
            yield _text(f"[{round(recipe.shown_seconds, 3):g} s]")
        yield {"type": "image_url", "image_url": {"url": data_url(frame, format)}}


def data_url(frame: Pixels, format: str) -> str:
    """A frame as an address that holds it: "png" (exact) or "jpeg" (quality 90)."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, format, **_SAVE[format])
    return f"data:image/{format};base64,{base64.b64encode(file.getvalue()).decode()}"
