"""`kuleshov train --push-to-hub`, against a stub of the hub on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from kuleshov.errors import HubError
from tests.cli.test_commands import run
from tests.test_hub import Stub, stub  # noqa: F401  # a fixture
from tests.train.conftest import Setup

SETS = ["steps=1", "prompts_per_step=1", "group_size=2", "max_completion_tokens=2"]


def test_a_refused_push_keeps_the_model_and_the_next_one_trains_nothing(
    setup: Setup,
    stub: Stub,  # noqa: F811
    tmp_path: Path,
) -> None:
    command: list[str | Path] = [
        "train",
        setup.data,
        "--model",
        setup.folder,
        "-o",
        tmp_path / "run",
    ]
    command += [word for key in SETS for word in ("--set", f"grpo.{key}")]
    command += ["--push-to-hub", "user/name"]
    stub.status = 401
    with pytest.raises(HubError, match=r"was not pushed: .*401.* hf upload user/name .*run/model"):
        run(*command)
    weights = tmp_path / "run" / "model" / "model.safetensors"
    trained_at = weights.stat().st_mtime_ns
    stub.status = 200
    code, output = run(*command)
    assert code == 0 and f"{stub.address}/user/name" in output
    assert weights.stat().st_mtime_ns == trained_at
    assert {"README.md", "config.json", "model.safetensors"} <= set(stub.files)
