from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from benchmarks import hostile_checkpoints
from benchmarks.hostile import PARTS
from benchmarks.hostile_checkpoints import harmed, tries

CHOSEN = {
    "cold start, step 2": ["optimizer.pt"],
    "GRPO, step 1": ["objective.json", "rng_state.pth", "completions.jsonl"],
    "the end": ["chat_template.jinja", "trained_on.json"],
}


def test_harmed_files_end_in_words_or_as_the_unharmed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[str]] = {}

    def some(stages: Mapping[str, Path]) -> Iterator[tuple[str, Path, list[Path]]]:
        for stage, name, others in harmed(stages):
            seen.setdefault(stage, set()).add(name.name)
            assert others, name
            if name.name in CHOSEN[stage]:
                yield stage, name, others

    monkeypatch.setattr(hostile_checkpoints, "harmed", some)
    found = list(tries(tmp_path))
    assert [one for one in found if one[1]] == []
    assert len(found) >= 4 * (1 + 3 + 2 * 4) and PARTS["checkpoints"] is tries
    for stage, names in CHOSEN.items():
        assert {*names} <= seen[stage]
    every = {"model.safetensors", "optimizer.pt", "scheduler.pt", "window-0.pt", "whole"}
    assert every <= seen["GRPO, step 1"]
