"""Section: what was run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from kuleshov.report.page import Section, render
from kuleshov.run import environment


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
        facts = {key: record[key] for key in ("model", "weights", "samples") if key in record}
        text = (run / "config.yaml").read_text(encoding="utf-8")
        blocks.append({"name": run.name, "facts": facts, "config": text})
    for folder in data.values():
        text = (folder / "config.yaml").read_text(encoding="utf-8")
        seed = yaml.safe_load(text).get("seed")
        blocks.insert(
            0, {"name": f"samples in {folder.name}", "facts": {"seed": seed}, "config": text}
        )
    versions = environment(runs[0])["versions"]
    return Section("What was run", render("settings.html", blocks=blocks, versions=versions))
