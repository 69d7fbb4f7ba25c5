"""Two processes train as one does, and write each file once.

Equality is to be expected where the completions are given (see two_processes.py): the samples of a
step, their rewards and advantages are then the same, and each process computes its share of one
sum. Completions that are sampled differ, as each process has random numbers of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kuleshov.run import environment
from tests.train.conftest import Setup
from tests.train.test_resume import TIMED, lines
from tests.train.two_processes import GIVEN, work

pytestmark = [
    pytest.mark.skipif(
        not torch.distributed.is_available() or not torch.distributed.is_gloo_available(),
        reason="this torch has no gloo",
    ),
    pytest.mark.parametrize("varied", ["qwen2_5_vl"], indirect=True),
]


WINDOW = "grpo/checkpoints/checkpoint-3/window-1.pt"
"""A file of a checkpoint that is written by the second process."""


def free_port() -> int:
    with socket.socket() as open_socket:
        open_socket.bind(("127.0.0.1", 0))
        port: int = open_socket.getsockname()[1]
    return port


def launch(setup: Setup, out: Path, *names: str) -> subprocess.Popen[str]:
    """Runs of two_processes.py in two processes."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"),
            *("--master_addr", "127.0.0.1", "--master_port", str(free_port()), "--module"),
            *("tests.train.two_processes", setup.data, setup.folder, out, ",".join(names)),
        ],
        cwd=Path(__file__).parents[2],
        env={
            **os.environ,
            "GLOO_SOCKET_IFNAME": "lo",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 0, told[-4000:]
    return told


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def two(varied: Setup, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all runs in two processes."""
    out = tmp_path_factory.mktemp("two")
    process = launch(varied, out, *GIVEN, "whole", "killed")
    told, _ = process.communicate(timeout=300)
    assert process.returncode != 0 and (out / "killed" / "metrics.jsonl").is_file(), told[-4000:]
    shutil.copytree(out / "killed", out / "harmed")
    (out / "harmed" / WINDOW).write_bytes(b"")
    ended(launch(varied, out, "harmed", "resumed"))
    return out


def test_two_processes_train_as_one(varied: Setup, two: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=work, args=(varied.data, varied.folder, one, list(GIVEN)))
    process.start()
    process.join(300)
    assert process.exitcode == 0
    start = weights(varied.folder)
    for name in GIVEN:
        assert [environment(out / name)["processes"] for out in (one, two)] == [1, 2]
        assert lines(two / name / "completions.jsonl") == lines(one / name / "completions.jsonl")
        found, wanted = (lines(out / name / "metrics.jsonl") for out in (two, one))
        assert len(found) == len(wanted)
        for metric, want in zip(found, wanted, strict=True):
            assert metric.keys() == want.keys()
            assert metric["phase"] == want["phase"]
            other = ("phase", "clip_ratio", *TIMED)
            same = [key for key in want if not key.startswith(other)]
            if name == "split":  # these are means of means over other micro-batches
                same = [key for key in same if key not in ("entropy", "kl")]
            for key in same:
                assert metric[key] == pytest.approx(want[key], rel=1e-4, abs=1e-5), (name, key)
        after, wanted_after = weights(two / name / "model"), weights(one / name / "model")
        moved = max((after[key] - start[key]).abs().max().item() for key in start)
        apart = max((after[key] - wanted_after[key]).abs().max().item() for key in start)
        assert moved > 1e-3 and apart < 1e-5 + 1e-3 * moved, (name, moved, apart)


def test_two_killed_processes_go_on_bit_by_bit(two: Path) -> None:
    whole, killed = two / "whole", two / "killed"
    assert lines(killed / "metrics.jsonl", *TIMED) == lines(whole / "metrics.jsonl", *TIMED)
    rollouts = lines(whole / "completions.jsonl")
    assert [rollout["step"] for rollout in rollouts] == [0] * 16 + [4] * 16
    assert len({rollout["completion"] for rollout in rollouts}) > 16
    assert lines(killed / "completions.jsonl") == rollouts
    found, wanted = weights(killed / "model"), weights(whole / "model")
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_two_processes_refuse_a_harmed_checkpoint_alike(two: Path) -> None:
    told = [(two / f"refused-{rank}").read_text() for rank in (0, 1)]
    assert told[0] == told[1] and f"{WINDOW} has 0 bytes in the place of" in told[0]
    assert (two / "harmed" / WINDOW).is_file()
    assert (two / "killed" / "grpo" / "whole").is_file()
