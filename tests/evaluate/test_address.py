from __future__ import annotations

from typing import Any

import pytest

from kuleshov.errors import UsageError
from kuleshov.evaluate.address import canonical, check_address, completions
from kuleshov.evaluate.config import EvalConfig, JudgeConfig
from kuleshov.recipe import build


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("notanaddress", "does not begin with http"),
        ("127.0.0.1:8000/v1", "does not begin with http"),
        ("localhost:8000/v1", "does not begin with http"),
        ("ftp://h/v1", "does not begin with http"),
        ("", "does not begin with http"),
        ("http://127.0.0.1:80a0/v1", "host or port is none"),
        ("http://h:99999/v1", "host or port is none"),
        ("http://h:-1/v1", "host or port is none"),
        ("http://h:0/v1", "host or port is none"),
        ("http://a..b/v1", "host or port is none"),
        (f"http://{'a' * 64}.b/v1", "host or port is none"),
        ("http://[::1/v1", "host or port is none"),
        ("http://:8000/v1", "names no host"),
        ("http:///v1", "names no host"),
        (" http://h/v1", "white space"),
        ("http://h/v1\n", "white space"),
        ("http://h /v1", "white space"),
        ("http://h/\u200bv1", "cannot be seen"),
        ("http://h/v1#x", "behind"),
        ("http://h/v1#", "behind"),
        ("http://h/v1?", "behind"),
        ("http://{host}:8000/v1", "no host has"),
        ("http://h\\v1", "no host has"),
        ("http://h,i/v1", "no host has"),
        ("http://h/v1/chat/completions", "is added to it"),
        ("http://h/v1/chat/completions/", "is added to it"),
        ("http://me:secret@h/v1", "holds a user or a query"),
        ("http://me:secret@h:80a0/v1", "holds a user or a query"),
        ("http://h/v1?key=secret", "holds a user or a query"),
    ],
)
def test_what_can_never_be_called_is_refused_when_settings_are_read(address: str, why: str) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "eval: endpoint": {"backend": "openai", "endpoint": address},
        "eval.judge: endpoint": {"judge": {"endpoint": address, "model_name": "j"}},
    }
    for what, settings in kinds.items():
        with pytest.raises(UsageError, match=why) as caught:
            build(EvalConfig, settings, "eval")
        assert str(caught.value).startswith(what) and "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8000/v1",
        "http://localhost:8000",
        "https://api.example.com/v1/",
        "http://[::1]:8000/v1",
        "http://vllm_server:8000/v1",
        "https://bücher.example/v1",
        "https://h/accounts/a@b/v1",
        "http://h:/v1",
    ],
)
def test_addresses_are_taken(address: str) -> None:
    check_address(address, "endpoint")
    assert JudgeConfig(endpoint=address, model_name="j").endpoint == address
    assert completions(f"{address}/") == completions(address)


def test_spellings_of_an_address_are_one() -> None:
    same = ["http://H:80/v1", "HTTP://h/v1/", "http://h:80/v1//", "http://h/v1"]
    assert {canonical(address) for address in same} == {"http://h/v1"}
    others = ["http://h:81/v1", "https://h/v1", "http://h", "http://h/V1", "http://h:443/v1"]
    assert len({canonical(address) for address in [*same, *others]}) == 1 + len(others)
    assert canonical("http://a..b/v1") == "http://a..b/v1"  # of a run that was begun before
