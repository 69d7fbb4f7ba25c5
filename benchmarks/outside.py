"""What the world sends in: files and models of all kinds, each right or refused with its reason.

    cells    bar-code clips over containers and codecs against FFmpeg    `outside_cells`
    cases    files of the kind that public reports describe              `outside_cases`
    models   every video model that the installed transformers can build `outside_models`

Prints one JSON object as its last line. `silently_wrong` counts what went on and was wrong among
the models; what is wrong with a cell or a case is told on the way.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks import outside_cases, outside_cells


def cells() -> dict[str, Any]:
    return _figures(outside_cells.run(_progress))


def cases() -> dict[str, Any]:
    return _figures(outside_cases.run())


def models() -> dict[str, Any]:
    # Not at the top: transformers takes seconds to import, and is an extra.
    if find_spec("benchmarks.outside_models") is None:
        print("models: benchmarks.outside_models is missing", file=sys.stderr)
        return {}
    found: dict[str, Any] = import_module("benchmarks.outside_models").models()
    return found


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"cells": cells, "cases": cases, "models": models}
"""By name, in the order in which they run."""


def failed(found: dict[str, Any]) -> bool:
    """Whether anything is wrong."""
    return any(
        found.get(key) for key in ("cells_wrong", "cases_wrong", "silently_wrong", "models_missing")
    )


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    """The figures of a part; what is wrong is for people."""
    for name, said in found.pop("wrong").items():
        print(f"{name}: {'; '.join(said)}", file=sys.stderr)
    return found


def _progress(what: str, done: int, total: int) -> None:
    if done % 50 == 0 or done == total:
        print(f"{what}: {done} of {total}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.outside", description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    args = parser.parse_args()
    found: dict[str, Any] = {}
    for name, part in PARTS.items():
        if args.only in (None, name):
            found |= part()
    print(json.dumps(found))
    sys.exit(failed(found))


if __name__ == "__main__":
    main()
