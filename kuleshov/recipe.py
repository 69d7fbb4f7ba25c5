"""Recipes: one YAML file for an experiment, with a section for each stage.

    make:   ...    kuleshov.config.MakeConfig
    train:  ...    kuleshov.train.config.TrainConfig
    eval:   ...    kuleshov.evaluate.config.EvalConfig

`kuleshov make|train|eval --config FILE` read their own section. Every key is a field of the
section's dataclass, where it is documented (all of them: docs/config.md); unknown keys are refused
with the nearest name.

`--set a.b=c` changes one key. The dotted key starts below the command's section, the value is
YAML, and it wins over the recipe and over other flags:

    kuleshov train ... --set grpo.beta=0.04 --set sft.curriculum='{jigsaw: 300}'
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from kuleshov.errors import UsageError, unknown_name
from kuleshov.untrusted import Loader, read_text, yaml_value

C = TypeVar("C")
SECTIONS = ("make", "train", "eval", "demo")
_PACKAGED = Path(__file__).parent / "recipes"
_CHECKOUT = Path(__file__).parent.parent / "recipes"


class _Loader(Loader):
    """YAML in which 1e-6 is a number, as in YAML 1.2; PyYAML wants 1.0e-6."""


class _Dumper(yaml.SafeDumper):
    """Quotes a text that `_Loader` would take for a number."""


for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
    )


def packaged(name: str) -> Path:
    """A recipe that comes with the package, such as "demo.yaml"."""
    for folder in (_PACKAGED, _CHECKOUT):
        if (folder / name).is_file():
            return folder / name
    raise UsageError(f"there is no recipe {name!r} in {_PACKAGED} or {_CHECKOUT}")


def load(
    path: Path | None,
    section: str,
    kind: type[C],
    changes: dict[str, Any],
    defaults: dict[str, Any] | None = None,
    sets: Sequence[str] = (),
) -> C:
    """A section of a recipe as its dataclass, with single values changed.

    Args:
        path: the YAML file; None for the defaults.
        section: "make", "train" or "eval"; may be missing in the file.
        kind: the dataclass that the section describes.
        changes: values that win over the file, such as command-line flags; None is no change.
        defaults: values that win over those of the dataclass, and over which the file wins.
        sets: single keys as `a.b=c`, which win over all else, the last of them over the others.

    Raises:
        UsageError: the file is no recipe, or a key or value is not allowed.
    """
    values: dict[str, Any] = {}
    if path is not None:
        recipe = _parse(path)
        for key in recipe:
            if key not in SECTIONS:
                raise unknown_name(f"section in {path}", str(key), SECTIONS)
        values = recipe.get(section) or {}
        if not isinstance(values, dict):
            raise UsageError(f"{path}: section {section} is {values!r}; allowed: a mapping of keys")
    given = {key: value for key, value in changes.items() if value is not None}
    values = {**(defaults or {}), **values, **given}
    for text in sets:
        names, value = setting(text)
        if names[0] == section and section not in (field.name for field in fields(kind)):  # type: ignore[arg-type]
            raise UsageError(f"--set {text!r}: keys start below {section}; leave out '{section}.'")
        values = _put(kind, values, names, value, section)
    return build(kind, values, section)


def setting(text: str) -> tuple[list[str], Any]:
    """One `a.b=c` as its names and its value.

    >>> setting("grpo.extra={loss_type: dapo, epsilon: 1e-1}")
    (['grpo', 'extra'], {'loss_type': 'dapo', 'epsilon': 0.1})

    Raises:
        UsageError: it is no `key=value`, or the value is no YAML.
    """
    key, equals, value = text.partition("=")
    names = [name.strip() for name in key.split(".")]
    if not equals or not all(names):
        raise UsageError(
            f"--set {text!r}; allowed: key=value with a dotted key, such as grpo.beta=0.04"
        )
    try:
        return names, yaml_value(value, _Loader)
    except ValueError as error:
        raise UsageError(f"--set {key!r}: {value!r} is no YAML value: {error}") from error


def _put(kind: Any, values: dict[str, Any], names: list[str], value: Any, where: str) -> Any:
    """The values with one of them set; what stands beside it stays, defaults included.

    Args:
        kind: the dataclass that the values are of; None where keys are free.
        values: of a section, or of a mapping in it.
        names: the keys that lead to the value.
        value: what to set.
        where: the dotted name of `values`, for the error.
    """
    name, *rest = names
    if not rest:
        return {**values, name: value}
    nested = _nested(kind, name)
    inner = values.get(name, None if nested else _default(kind, name))
    if inner is None:
        inner = {}
    if not isinstance(inner, dict):
        raise UsageError(f"{where}.{name} is {inner!r}, which has no key {rest[0]!r}; set {name}")
    return {**values, name: _put(nested, inner, rest, value, f"{where}.{name}")}


def _default(kind: Any, name: str) -> Any:
    """What a key of a dataclass is if it is not given; None if there is no such key."""
    for field in fields(kind) if kind else ():
        if field.name == name:
            made = field.default_factory
            return field.default if made is MISSING else made()
    return None


def _nested(kind: Any, name: str) -> type[Any] | None:
    """The dataclass that a key of a dataclass holds, or may hold beside None."""
    hint = get_type_hints(kind).get(name) if kind else None
    return next(
        (k for k in (hint, *get_args(hint)) if is_dataclass(k) and isinstance(k, type)), None
    )


def build(kind: type[C], values: dict[str, Any], where: str) -> C:
    """A dataclass from plain values, checked.

    Raises:
        UsageError: an unknown key, or a value of the wrong kind.
    """
    _check_keys(kind, values, where)
    adapter = TypeAdapter(kind)
    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        raise UsageError("; ".join(_explain(e, where) for e in error.errors())) from error


def _explain(error: Any, where: str) -> str:
    """One of pydantic's findings in our words; our own errors keep theirs."""
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, UsageError):
        return str(cause)
    return f"{'.'.join([where, *map(str, error['loc'])])} is {error['input']!r}: {error['msg']}"


def _check_keys(kind: type[Any], values: Any, where: str) -> None:
    if not isinstance(values, dict):
        return
    known = {field.name: field.type for field in fields(kind)}
    for key, value in values.items():
        if key not in known:
            raise unknown_name(f"key in {where}", str(key), known)
        nested = _nested(kind, key)
        if nested is not None:
            _check_keys(nested, value, f"{where}.{key}")


def _parse(path: Path) -> dict[str, Any]:
    try:
        recipe = yaml_value(read_text(path), _Loader) or {}
    except ValueError as error:
        raise UsageError(f"{path} cannot be read as a recipe: {error}") from error
    if not isinstance(recipe, dict):
        raise UsageError(f"{path}: a recipe has the sections {', '.join(SECTIONS)}")
    return recipe


def to_yaml(config: Any) -> str:
    """A config dataclass as YAML, as it was resolved."""
    return yaml.dump(_plain(asdict(config)), Dumper=_Dumper, sort_keys=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
