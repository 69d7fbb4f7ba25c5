from __future__ import annotations

from pathlib import Path

from benchmarks.saving import measured


def test_hashing_is_measured_as_a_part_of_saving(tmp_path: Path) -> None:
    found = measured(tmp_path, megabytes=3, steps=2)
    assert 3e6 < found["bytes"] < 4e6
    assert 0 < found["hashing_s"] < found["saving_s"] and 0 < found["share"] < 1
    left = {path.name for path in (tmp_path / "sft" / "checkpoints").glob("checkpoint-*")}
    assert left == {"checkpoint-2"}
