from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from kuleshov.errors import UsageError
from kuleshov.evaluate.backends import BACKENDS
from kuleshov.evaluate.backends.backend import Request, Shown, batches, digest_of
from kuleshov.evaluate.config import CallConfig, EvalConfig
from kuleshov.recipe import build
from kuleshov.sample import MediaItem
from tests.evaluate.backends.test_openai import a_sample


def test_parts_are_the_prompt_with_media_in_their_places() -> None:
    items = (MediaItem((), 2, 2), MediaItem((), 2, 2))
    frames = [np.zeros((1, 2, 2, 3), np.uint8)] * 2
    sample = replace(a_sample(), media=items, prompt="<image>a<video>")
    parts = Request(sample, frames).parts()
    assert [part if isinstance(part, str) else part.placeholder for part in parts] == [
        "<image>",
        "a",
        "<video>",
    ]
    assert [part.item for part in parts if isinstance(part, Shown)] == list(items)


def test_requests_are_taken_as_batches_are() -> None:
    taken: list[int] = []

    def requests() -> Iterator[Request]:
        for seed in range(5):
            taken.append(seed)
            yield Request(a_sample(), [], seed=seed)

    rest = batches(requests(), 2)
    assert [request.seed for request in next(rest)] == [0, 1] and taken == [0, 1]
    assert [[request.seed for request in batch] for batch in rest] == [[2, 3], [4]]


def test_the_hash_tells_shapes_apart() -> None:
    frames = np.zeros((2, 3, 4, 3), np.uint8)
    hashes = {
        digest_of("a"),
        digest_of("b"),
        digest_of("a", [frames]),
        digest_of("a", [frames.reshape(2, 4, 3, 3)]),
        digest_of("a", [frames[:1], frames[1:]]),
    }
    assert len(hashes) == 5


def test_an_endpoint_needs_no_torch() -> None:
    code = (
        "import sys; from kuleshov.evaluate import runner; "
        "from kuleshov.evaluate.backends.openai import OpenAI; "
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backend": "opneai"}, "did you mean 'openai'"),
        ({"backend": "openai"}, "give an endpoint with backend openai"),
        ({"endpoint": "http://a/v1"}, "and only with that"),
        ({"backend": "openai", "endpoint": "127.0.0.1:8000"}, "allowed: an address such as"),
        ({"backend": "openai", "endpoint": "https://me:key@a/v1"}, "holds a user or a query"),
        ({"backend": "openai", "endpoint": "https://a/v1?key=secret"}, "holds a user or a query"),
        ({"images": "gif"}, "unknown image format"),
        ({"repeats": 0}, "must be 1 or more"),
        ({"calls": {"retries": -1}}, "retries is -1; allowed: 0 or more"),
        ({"calls": {"per_minute": 0}}, "per_minute is 0.0; allowed: above 0"),
        ({"calls": {"retry": 1}}, "unknown key in eval.calls 'retry'; did you mean 'retries'"),
    ],
)
def test_wrong_settings_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        build(EvalConfig, values, "eval")
    assert "secret" not in str(caught.value) and "me:key" not in str(caught.value)


def test_settings_of_calls_are_read() -> None:
    config = build(EvalConfig, {"calls": {"per_minute": 30}}, "eval")
    assert config.calls == CallConfig(per_minute=30) and set(BACKENDS) == {
        "transformers",
        "vllm",
        "openai",
    }
