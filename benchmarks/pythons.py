"""Whether the demo's set has the same bytes under all supported versions of Python.

    python -m benchmarks.pythons [--clips 24]

Looks for python3.11, python3.12 and python3.13 on PATH and among pyenv's, makes an environment for
each with the versions of constraints.txt, and makes the set. What is not installed is skipped.
Prints one JSON line last.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

VERSIONS = ("3.11", "3.12", "3.13")
ROOT = Path(__file__).parents[1]
_MAKE = """
import sys
from pathlib import Path
from kuleshov.recipe import load
from kuleshov.synthesize import MakeConfig, make

clips, out, recipe = map(Path, sys.argv[1:])
make(clips, out, load(recipe, "make", MakeConfig, {}))
"""


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=24)
    count = parser.parse_args().clips
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(compare(Path(folder), count)))


def compare(folder: Path, count: int) -> dict[str, Any]:
    """The set under each version that is there."""
    from kuleshov.clips import write_clips

    write_clips(folder / "clips", count, seed=0)
    hashes: dict[str, str] = {}
    for version in VERSIONS:
        if (found := interpreter(version)) is None:
            continue
        print(version, found, file=sys.stderr, flush=True)
        own = environment(found, folder / version)
        out = folder / f"set-{version}"
        recipe = ROOT / "recipes" / "demo.yaml"
        command = [own, "-c", _MAKE, folder / "clips", out, recipe]
        subprocess.run(list(map(str, command)), check=True, cwd=folder)
        hashes[version] = hash_of(out)
    return {
        "pythons": sorted(hashes),
        "skipped": [version for version in VERSIONS if version not in hashes],
        "identical": len(set(hashes.values())) == 1 < len(hashes),
    }


def interpreter(version: str) -> str | None:
    """Where a version of Python is."""
    pyenv = Path.home() / ".pyenv" / "versions"
    places = [shutil.which(f"python{version}"), *map(str, pyenv.glob(f"{version}.*/bin/python"))]
    return next((place for place in places if place is not None and _is(place, version)), None)


def _is(place: str, version: str) -> bool:
    """Whether it runs, which a shim for a version that is not chosen does not."""
    command = [place, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.stdout.strip() == version


def environment(python: str, folder: Path) -> Path:
    """The interpreter of an environment with the package and what its core needs."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    own = folder / "bin" / "python"
    install = [own, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", ROOT]
    subprocess.run(list(map(str, install)), check=True)
    return own


def hash_of(out: Path) -> str:
    """Of all files of a set, without the name of its folder."""
    state = blake2b(digest_size=16)
    for path in _files(out):
        state.update(f"{path.relative_to(out)}\n".encode() + path.read_bytes())
    return state.hexdigest()


def _files(out: Path) -> Iterator[Path]:
    return (path for path in sorted(out.rglob("*")) if path.is_file())


if __name__ == "__main__":
    main()
