from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.soak import look, soak


def test_a_few_kills_change_nothing(tmp_path: Path) -> None:
    assert soak(tmp_path, kills=4, videos=12, seed=1) == {"kills": 4, "identical": True}


def test_half_a_file_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text('{"samples": ')
    with pytest.raises(json.JSONDecodeError):
        look(tmp_path)
