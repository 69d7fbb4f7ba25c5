from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import yaml

from kuleshov.errors import UsageError
from kuleshov.untrusted import MOST_LEVELS, json_value, misfit, read_json, read_text, yaml_value

NINE = "\n".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 10))
BOMB = f"x0: &x0 [lol]\n{NINE}"


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


def test_aliases_are_put_in() -> None:
    # PyYAML writes them itself, for a value that stands in two places.
    one = ["a", {"b": 1}]
    text = yaml.safe_dump({"tasks": {"x": one, "y": one}})
    assert "&id001" in text and yaml_value(text)["tasks"]["y"] == one


@pytest.mark.parametrize(
    ("text", "message"),
    {
        "aliases of aliases": (BOMB, "more than 100,000 values"),
        "aliases as merged keys": (
            "a: &a {x: 1}\n" + "\n".join(f"b{n}: {{<<: [{'*a, ' * 9000}]}}" for n in range(20)),
            "more than 100,000 values",
        ),
        "contains itself": ("a: &a [*a]", "contains itself"),
        "nested": (deep(MOST_LEVELS + 1), "nested more than 64 levels"),
        "nested beyond the stack": (deep(100_000), "nested more than 64 levels"),
        "nested by aliases": (
            "a0: &a0 []\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 99)),
            "nested more than 64 levels",
        ),
        "large": ("- 1\n" * 600_000, "allowed: up to 1,048,576"),
        "a number that cannot be printed": ("0x" + "f" * 9999, "a number of 10001 characters"),
        "an object": ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
        "an empty number": ("!!int ''", "index"),
        "no truth": ("!!bool maybe", "maybe"),
        "no time": ("!!timestamp x", "NoneType"),
        "no date": ("2020-99-99", "month"),
        "cut": ("a: [1, 2", "expected"),
    }.values(),
)
def test_yaml_beyond_the_bounds_is_refused_at_once(text: str, message: str) -> None:
    begun = time.process_time()
    with pytest.raises(ValueError, match=message):
        yaml_value(text)
    assert time.process_time() - begun < 5


def test_json_beyond_the_bounds_is_refused() -> None:
    assert json_value(deep(MOST_LEVELS))
    assert json_value(json.dumps(["["] * 999)) == ["["] * 999
    for levels in (MOST_LEVELS + 1, 900, 100_000):
        with pytest.raises(ValueError, match="nested more than 64 levels"):
            json_value(deep(levels))
        with pytest.raises(ValueError, match="nested more than 64 levels"):
            json_value('{"a":' * levels + "1" + "}" * levels)


def test_a_pipe_or_a_folder_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ValueError, match="is no file"):
            read_text(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON"),
        (bytes(8), "is no JSON"),
        (b'{"a": 1', "is no JSON"),
        (b'{"a": "\xff"}', r"no text in UTF-8 \(byte 7\)"),
        (b"[]", "is no JSON object"),
        (b'{"a": ' + b"[" * 9999, "nested"),
    ],
)
def test_what_is_no_json_object_is_told_with_the_remedy(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(UsageError, match=f"x.json .*{message}.*; make it again"):
        read_json(tmp_path / "x.json", "make it again")


def test_the_first_field_of_another_type_is_named() -> None:
    fields = {"count": int, "by": dict[str, int]}
    assert misfit({"count": 1, "by": {"x": 2}, "more": None}, fields) is None
    assert misfit({"by": {}}, fields) == "lacks count"
    assert str(misfit({"count": "1", "by": {}}, fields)).startswith("has count '1': ")
    assert str(misfit({"count": 1, "by": {"x": None}}, fields)).startswith("has by.x None: ")
