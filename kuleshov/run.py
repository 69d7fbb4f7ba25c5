"""Run folders: what a run was made with is written down, and no other run is mixed into it.

RUN/
config.yaml        the settings as resolved
environment.json   the model, hashes of its weights and of the samples, versions
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kuleshov.content import content_id
from kuleshov.environment import versions
from kuleshov.errors import UsageError
from kuleshov.files import make_folder, replace_text
from kuleshov.recipe import to_yaml
from kuleshov.sample import Json, Sample


def begin(
    run: Path,
    record: dict[str, Json],
    config: Any,
    started: bool,
    before: Mapping[str, Json] = MappingProxyType({}),
    noted: Mapping[str, Json] = MappingProxyType({}),
) -> None:
    """Write down what a run is made with, or refuse to go on with another one.

    Args:
        run: the folder; made if it is missing.
        record: what must stay the same for as long as the run goes on; values may be mappings.
        config: the settings, a dataclass.
        started: whether the folder holds work that was done with what is written down there.
        before: what is meant where an earlier version wrote no such key, likewise nested.
        noted: what is written down beside it, and may change.

    Raises:
        UsageError: the folder holds work that was done with something else.
    """
    if started:
        # As JSON, which knows no tuples.
        here, meant = (_flat(json.loads(json.dumps(dict(one)))) for one in (record, before))
        there = {**meant, **_flat(environment(run))}
        for key, value in here.items():
            if there.get(key) != value:
                raise UsageError(
                    f"{run} holds a run with {key} = {there.get(key)}, not {value}; give another "
                    "run folder with -o, or remove this one"
                )
    make_folder(run)
    whole = {**record, **noted, "versions": versions()}
    replace_text(run / "environment.json", json.dumps(whole, indent=2) + "\n")
    replace_text(run / "config.yaml", to_yaml(config))


def environment(run: Path) -> dict[str, Any]:
    """What a run folder says of its model, samples and versions.

    Raises:
        UsageError: it no longer says so.
    """
    path = run / "environment.json"
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
        why = "is no longer what was written"
    except (OSError, ValueError, RecursionError) as error:
        loaded, why = None, f"cannot be read: {error}"
    if isinstance(loaded, dict) and all(
        isinstance(loaded[key], kind) for key, kind in _KINDS.items() if key in loaded
    ):
        return loaded
    raise UsageError(
        f"{path} {why}, so that it is not known what the run was made with; put it back, or start "
        "the run again in another folder"
    )


_KINDS: dict[str, type | tuple[type, ...]] = {
    "model": str,
    "data": str,
    "samples": str,
    "versions": dict,
    "bench": (dict, type(None)),
}
"""What is read of any run."""


def weights_hash(model: str) -> str:
    """Hash of the weight files of a local model; "" for a name on the hub."""
    state = blake2b(digest_size=16)
    files = sorted(Path(model).glob("*.safetensors"))
    for file in files:
        state.update(content_id(file).encode())
    return state.hexdigest() if files else ""


def samples_hash(samples: Sequence[Sample]) -> str:
    """Hash of a list of samples."""
    state = blake2b(digest_size=16)
    for sample in samples:
        state.update(sample.to_json().encode())
    return state.hexdigest()


def _flat(value: Json, name: str = "") -> dict[str, Json]:
    """Nested mappings as one, with dotted keys."""
    if not isinstance(value, dict):
        return {name: value}
    flat: dict[str, Json] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{name}.{key}" if name else key)
    return flat
