from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from kuleshov.cli import COMMANDS, SHARED, app
from kuleshov.errors import UsageError
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.runner import evaluate
from kuleshov.evaluate.shares import Shares
from kuleshov.run import environment
from tests.train.conftest import Setup, data, setup
from tests.train.test_two_processes import free_port

__all__ = ["data", "setup"]
SETTINGS: dict[str, Any] = {
    "batch_size": 3,
    "max_completion_tokens": 6,
    "temperature": 1.0,
    "conditions": ("full", "blind"),
    "repeats": 2,
}


def shares(count: int, rank: int) -> Shares:
    made = Shares("transformers")
    made.count, made.rank = count, rank
    return made


@pytest.mark.parametrize(("questions", "size", "count"), [(10, 3, 2), (10, 3, 3), (4, 4, 3)])
def test_each_question_is_in_one_share_and_batches_stay(
    questions: int, size: int, count: int
) -> None:
    whole = list(range(questions))
    own = [shares(count, rank).mine(whole, size) for rank in range(count)]
    assert len({len(rounds) for rounds in own}) == 1  # all meet equally often
    together = [batch for batches in zip(*own, strict=True) for batch in batches if batch]
    assert together == shares(1, 0).mine(whole, size)
    assert [item for batch in together for item in batch] == whole


def test_alone_an_answer_is_there_at_once() -> None:
    taken: list[int] = []

    def answers() -> Any:
        for number in range(3):
            taken.append(number)
            yield number

    rest = Shares("openai").of_all(answers(), [3])
    assert next(rest) == 0 and taken == [0]


@pytest.mark.parametrize("backend", ["openai", "vllm"])
def test_backends_of_one_process_are_refused(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match=f"eval.backend {backend} is asked by one process"):
        Shares(backend)


@pytest.mark.skipif(
    not torch.distributed.is_available() or not torch.distributed.is_gloo_available(),
    reason="this torch has no gloo",
)
@pytest.mark.parametrize("setup", ["qwen2_5_vl"], indirect=True)
def test_two_processes_answer_as_one_in_one_file(setup: Setup, tmp_path: Path) -> None:
    evaluate(str(setup.folder), setup.data, tmp_path / "one", EvalConfig(**SETTINGS))
    whole = (tmp_path / "one" / "results.jsonl").read_text()

    def launch() -> str:
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"),
                *("--master_addr", "127.0.0.1", "--master_port", str(free_port()), "-m"),
                *("kuleshov", "eval", str(setup.folder), str(setup.data), "-o", tmp_path / "two"),
                *(part for key, value in SETTINGS.items() for part in ("--set", _set(key, value))),
            ],
            env={**os.environ, "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": _ROOT},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert ran.returncode == 0, ran.stderr[-3000:]
        return ran.stdout

    said = launch()
    assert said.count("mean reward") == 1  # one of them speaks
    path = tmp_path / "two" / "results.jsonl"
    assert path.read_text() == whole
    assert environment(tmp_path / "two") == environment(tmp_path / "one")
    # What was answered before a stop, two batches, is not asked again.
    path.write_text("".join(line + "\n" for line in whole.splitlines()[:6]))
    launch()
    assert path.read_text() == whole


_ROOT = str(Path(__file__).parents[2])


def _set(key: str, value: Any) -> str:
    text = f"[{','.join(value)}]" if isinstance(value, tuple) else value
    return f"{key}={text}"


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(SHARED)))
def test_other_commands_are_done_by_one_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        ran = CliRunner().invoke(app, [command])
        if rank == "0":
            assert isinstance(ran.exception, UsageError)
            assert f"kuleshov {command} is done by one process" in str(ran.exception)
        else:
            assert ran.exit_code == 2 and not ran.output
    assert not list(tmp_path.iterdir())


def test_a_policy_is_asked_by_one_process(
    monkeypatch: pytest.MonkeyPatch, setup: Setup, tmp_path: Path
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    asked = ["eval", "policy:random", str(setup.data), "-o", str(tmp_path / "run")]
    ran = CliRunner().invoke(app, asked)
    assert "eval of a policy is done by one process" in str(ran.exception)
    assert not (tmp_path / "run").exists()
