"""YAML and JSON that anyone may have written, read within bounds.

A few lines of YAML in which aliases stand for aliases are gigabytes once they are put in, brackets
within brackets end the stack of whoever goes through them, and a pipe in the place of a file is
waited for without end. Whatever is wrong with a text is a ValueError here, in words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kuleshov.errors import UsageError

MOST_CHARACTERS = 1 << 20
"""Of a YAML text: it is read at some 100 KB a second."""
MOST_VALUES = 100_000
"""Of a YAML text, with all that its aliases stand for."""
MOST_LEVELS = 64
"""Of lists and mappings within each other."""
_LONGEST_NUMBER = 1000
_DEEP = f"is nested more than {MOST_LEVELS} levels deep"


class Loader(yaml.SafeLoader):
    """Plain values, within bounds."""

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None:
            _measure(node, {})
        return node

    def construct_yaml_int(self, node: Any) -> int:
        if len(node.value) > _LONGEST_NUMBER:  # Python refuses to print it
            raise ValueError(f"has a number of {len(node.value)} characters")
        return int(super().construct_yaml_int(node))


Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_yaml_int)


def yaml_value(text: str, loader: type[Loader] = Loader) -> Any:
    """What a YAML text says.

    Raises:
        ValueError: it is none, or exceeds the bounds; the message is the end of "FILE …".
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"has {len(text):,} characters; allowed: up to {MOST_CHARACTERS:,}")
    try:
        return yaml.load(text, Loader=loader)
    except RecursionError:
        raise ValueError(_DEEP) from None
    # What PyYAML makes of a value that is not of its tag may fail in any of these ways.
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(" ".join(str(error).split()) or "is no YAML") from error


def json_value(text: str) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: it is none, or exceeds the bounds; the message is the end of "FILE …".
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(_DEEP) from None
    if is_deep(text, value):
        raise ValueError(_DEEP)
    return value


def is_deep(text: str, value: Any) -> bool:
    """Whether a JSON text has more than `MOST_LEVELS` levels.

    Args:
        text: the JSON; most have too few brackets to be looked at closely.
        value: what it says.
    """
    if text.count("[") + text.count("{") <= MOST_LEVELS:
        return False
    level = [value]
    for _ in range(MOST_LEVELS):
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for several in inner for one in several if isinstance(one, (dict, list))]
        if not level:
            return False
    return True


def read_text(path: Path) -> str:
    """A text file.

    Raises:
        ValueError: it is no file, cannot be read, or is no text; the message is the end of
            "FILE …".
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("is no file")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"is no text in UTF-8 (byte {error.start:,})") from error
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """The JSON object of a file.

    Args:
        path: of the file.
        remedy: what to do where it is none.

    Raises:
        UsageError: it is none.
    """
    try:
        found = json_value(read_text(path))
        if isinstance(found, dict):
            return found
        why = "is no JSON object"
    except json.JSONDecodeError as error:
        why = f"is no JSON ({error})"
    except ValueError as error:
        why = str(error)
    raise UsageError(f"{path} {why}; {remedy}")


def misfit(found: Mapping[str, Any], fields: Mapping[str, Any]) -> str | None:
    """What is wrong with the first field that is not of its type, as the end of "FILE …"; None
    where all are.

    Args:
        found: by name of the field.
        fields: the type of each field that has to be there, as annotations write it.
    """
    from pydantic import TypeAdapter, ValidationError

    for name, kind in fields.items():
        if name not in found:
            return f"lacks {name}"
        try:
            TypeAdapter(kind).validate_python(found[name], strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, (name, *first["loc"])))
            got = repr(first["input"])
            short = got if len(got) <= 80 else f"{got[:80]}..."
            return f"has {where} {short}: {first['msg'].lower()}"
    return None


def _measure(node: Any, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """Values and levels of a node of YAML, with all that its aliases stand for.

    Args:
        node: of PyYAML.
        known: those of nodes that were measured; None for those that are under way.

    Raises:
        ValueError: it exceeds the bounds, or contains itself.
    """
    key = id(node)
    if key in known:
        measured = known[key]
        if measured is None:
            raise ValueError("has a value that contains itself")
        return measured
    known[key] = None
    values, levels = 1, 1
    if not isinstance(node, yaml.ScalarNode):
        for one in node.value:
            for inner in one if isinstance(one, tuple) else (one,):
                more, deeper = _measure(inner, known)
                values, levels = values + more, max(levels, deeper + 1)
    if values > MOST_VALUES:
        raise ValueError(f"has more than {MOST_VALUES:,} values, put in for its aliases")
    if levels > MOST_LEVELS:
        raise ValueError(_DEEP)
    known[key] = values, levels
    return values, levels
