"""Section: what was run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kuleshov.dataset import settings as made_with
from kuleshov.errors import UsageError
from kuleshov.evaluate.results import BEFORE, Result, load_results
from kuleshov.report.page import Section, render
from kuleshov.run import environment
from kuleshov.untrusted import read_text

_FACTS = (
    "model",
    "weights",
    "samples",
    "backend",
    "temperature",
    "sampling",
    "positions",
    "max_completion_tokens",
    "judge",
)


def received(results: Iterable[Result]) -> dict[str, str]:
    """What a model really got with the whole video: frames, their sizes, tokens."""
    full = [r for r in results if r.condition == "full" and r.num_frames]
    if not full:
        return {}
    sizes = sorted({(width, height) for r in full for height, width in r.sizes})
    tokens = [r.num_tokens for r in full if r.num_tokens is not None]
    found = {"frames": _range(r.num_frames for r in full)}
    if sizes:
        few = [f"{width} x {height}" for width, height in dict.fromkeys((sizes[0], sizes[-1]))]
        found["pixels"] = " to ".join(few)
    return {**found, "tokens": _range(tokens)} if tokens else found


def _range(numbers: Iterable[int]) -> str:
    ends = sorted(numbers)
    return f"{ends[0]:,}" if ends[0] == ends[-1] else f"{ends[0]:,} to {ends[-1]:,}"


def settings(runs: Sequence[Path]) -> Section:
    """Each run's settings as resolved, and what it ran with.

    Args:
        runs: run folders of any stage.
    """
    blocks: list[dict[str, Any]] = []
    data: dict[str, Path] = {}
    for run in runs:
        record = environment(run)
        if "data" in record:
            data.setdefault(record["data"], Path(record["data"]))
        facts = {
            key: record[key] for key in _FACTS if record.get(key) not in (None, "", BEFORE.get(key))
        }
        if (run / "results.jsonl").is_file():
            facts |= received(load_results(run, times=False))
        text = _text(run / "config.yaml")
        blocks.append({"name": run.name, "facts": facts, "config": text})
    for folder in data.values():
        facts = {"seed": made_with(folder).get("seed")}
        text = (folder / "config.yaml").read_text(encoding="utf-8")
        blocks.insert(0, {"name": f"samples in {folder.name}", "facts": facts, "config": text})
    versions = environment(runs[0])["versions"]
    return Section("What was run", render("settings.html", blocks=blocks, versions=versions))


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except ValueError as error:
        raise UsageError(
            f"{path} {error}, so that it is not known how the run was set; put it back"
        ) from error
