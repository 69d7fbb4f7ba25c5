"""Inputs that mean harm, or were harmed: each gives the right result or an error in words.

    python -m benchmarks.hostile [--only replies]

Prints one JSON line last, and what is wrong on the way:

    tried        inputs
    tracebacks   errors that are none of ours
    silent       another result than the unharmed one, without a message that names the input
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks import (
    hostile_checkpoints,
    hostile_journals,
    hostile_replies,
    hostile_rows,
    hostile_sets,
    hostile_shards,
)

Tries = Callable[[Path], Iterator[tuple[str, str]]]
"""A folder to work in -> (what was tried, "", "traceback" or "silent") of each input."""

PARTS: dict[str, Tries] = {
    "checkpoints": hostile_checkpoints.tries,
    "replies": hostile_replies.tries,
    "rows": hostile_rows.tries,
    "journals": hostile_journals.tries,
    "shards": hostile_shards.tries,
    "sets": hostile_sets.tries,
}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=PARTS, help="one part")
    options = parser.parse_args()
    found = tried({name: PARTS[name] for name in PARTS if options.only in (None, name)})
    print(json.dumps(found))
    sys.exit(bool(found["tracebacks"] or found["silent"]))


def tried(parts: Mapping[str, Tries]) -> dict[str, int]:
    """The figures over some parts."""
    counts: Counter[str] = Counter()
    for part, tries in parts.items():
        with tempfile.TemporaryDirectory() as folder:
            for name, wrong in tries(Path(folder)):
                counts["tried"] += 1
                counts[wrong] += 1
                if wrong:
                    print(f"{part}: {name}: {wrong}", file=sys.stderr, flush=True)
    return {
        "tried": counts["tried"],
        "tracebacks": counts["traceback"],
        "silent": counts["silent"],
    }


if __name__ == "__main__":
    main()
