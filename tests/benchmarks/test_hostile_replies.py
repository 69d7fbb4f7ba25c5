from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks import hostile_replies
from benchmarks.hostile import PARTS, tried
from benchmarks.hostile_replies import ASKERS, replies, tries, wrong
from kuleshov.errors import EndpointError


def test_at_least_sixty_replies_are_sent_to_all_who_ask_endpoints() -> None:
    assert len(replies()) >= 60 and len(ASKERS) == 3 and PARTS["replies"] is tries


def test_a_share_of_them_gives_no_traceback_and_nothing_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = dict(list(replies().items())[::5])
    monkeypatch.setattr(hostile_replies, "replies", lambda: chosen)
    assert [found for found in tries(tmp_path) if found[1]] == []


def late() -> str:
    time.sleep(0.02)
    return "yes"


def test_what_goes_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "http://127.0.0.1:1/v1"

    def asks(result: object) -> str:
        def ask() -> str:
            if isinstance(result, Exception):
                raise result
            return str(result)

        return wrong(ask, address)

    assert asks("yes") == asks(EndpointError(f"{address} gives no answer")) == ""
    assert asks("no") == asks(EndpointError("there is none")) == "silent"
    assert asks(EndpointError(f"{address}\nno")) == "silent"
    assert asks(OverflowError("too large")) == asks(RecursionError()) == "traceback"
    monkeypatch.setattr(hostile_replies, "_SECONDS", 0.01)
    assert wrong(late, address) == "silent"


def test_parts_are_counted_together() -> None:
    parts = {
        "a": lambda folder: iter([("x", ""), ("y", "silent")]),
        "b": lambda folder: iter([("z", "traceback")]),
    }
    assert tried(parts) == {"tried": 3, "tracebacks": 1, "silent": 1}
