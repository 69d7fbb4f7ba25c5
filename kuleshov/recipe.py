"""Recipes: one YAML file for an experiment, with a section for each stage.

    make:   ...    kuleshov.config.MakeConfig
    train:  ...    kuleshov.train.config.TrainConfig
    eval:   ...    kuleshov.evaluate.config.EvalConfig

`kuleshov make|train|eval --config FILE` read their own section. Every key is a field of the
section's dataclass, where it is documented; unknown keys are refused with the nearest name.
"""

from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from kuleshov.errors import UsageError, unknown_name

C = TypeVar("C")
SECTIONS = ("make", "train", "eval", "demo")
_PACKAGED = Path(__file__).parent / "recipes"
_CHECKOUT = Path(__file__).parent.parent / "recipes"


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
) -> C:
    """A section of a recipe as its dataclass, with single values changed.

    Args:
        path: the YAML file; None for the defaults.
        section: "make", "train" or "eval"; may be missing in the file.
        kind: the dataclass that the section describes.
        changes: values that win over the file, such as command-line flags; None is no change.
        defaults: values that win over those of the dataclass, and over which the file wins.

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
    return build(kind, values, section)


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
        default = getattr(kind, key, None)
        nested = type(default) if is_dataclass(default) else None
        if nested is not None:
            _check_keys(nested, value, f"{where}.{key}")


def _parse(path: Path) -> dict[str, Any]:
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as a recipe: {error}") from error
    if not isinstance(recipe, dict):
        raise UsageError(f"{path}: a recipe has the sections {', '.join(SECTIONS)}")
    return recipe


def to_yaml(config: Any) -> str:
    """A config dataclass as YAML, as it was resolved."""
    return yaml.safe_dump(_plain(asdict(config)), sort_keys=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
