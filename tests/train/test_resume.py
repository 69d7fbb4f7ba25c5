"""A run that is killed and goes on ends with the same files as one that is not."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Timer
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Trainer

from kuleshov.errors import UsageError, WriteError
from kuleshov.notice import Notice, heeded
from kuleshov.train import follow as logs
from kuleshov.train import pipeline, resume
from kuleshov.train.config import GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.resume import Checkpoints, going_on, last_whole, rewind
from kuleshov.whole import declare, files_of
from tests.train.conftest import Setup
from tests.train.test_objectives_train import by_content

# A window of 2 * 2 steps and 6 samples of 9, so that each window is an epoch.
CONFIG = TrainConfig(
    checkpoint_steps=3,
    sft=SFTSettings(steps=5, batch_size=2, learning_rate=1e-3),
    grpo=GRPOSettings(
        steps=9,
        prompts_per_step=3,
        group_size=2,
        learning_rate=1e-3,
        beta=0.1,
        max_completion_tokens=6,
        objective="ema_grpo",
        extra={"num_iterations": 2, "steps_per_generation": 2},
    ),
)
KILLS = (
    "at step 5 of the cold start",
    "at step 6 of GRPO",  # the window that began after step 4 is lost with its completions
    "writing checkpoint 6 of grpo",
    "at step 8 of GRPO",  # goes on from step 6, in the middle of the second window and epoch
    "writing the model of grpo",  # no step after the last one
)


def die(*args: Any, **kwargs: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def work(data: Path, model: Path, run: Path, kill: str) -> None:
    """Train, and die where it is said."""
    torch.set_num_threads(1)
    vars(logs)["pretext_reward"] = by_content
    optimizer, saved = Trainer._save_optimizer_and_scheduler, Trainer.save_model

    def save(trainer: Any, folder: str) -> None:
        if kill == "writing checkpoint 6 of grpo" and folder.endswith(
            "grpo/checkpoints/checkpoint-6"
        ):
            die()
        optimizer(trainer, folder)

    def save_model(trainer: Any, folder: str | None = None, **kwargs: Any) -> None:
        if kill == "writing the model of grpo" and str(folder).endswith("killed/model.tmp"):
            Path(str(folder)).mkdir()
            die()
        saved(trainer, folder, **kwargs)

    def follow(what: str, done: int, total: int) -> None:
        if kill == f"at step {done} of {'the cold start' if what == 'cold start' else what}":
            die()

    Trainer._save_optimizer_and_scheduler, Trainer.save_model = save, save_model
    pipeline.train(data, str(model), run, CONFIG, follow)


NOTICES = 20
"""How often a training is told to end."""
TIMED = ("step_time", "waiting", "tokens_per_second")
"""What no two runs have in common."""


def exit_code(*args: Any) -> int | None:
    """Of `work` in a process of its own, forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=work, args=args)
    process.start()
    process.join(300)
    return process.exitcode


def lines(path: Path, *without: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in without} for line in told]


@pytest.mark.parametrize("varied", ["qwen2_5_vl"], indirect=True)
def test_a_run_killed_again_and_again_ends_as_one_that_is_not(
    varied: Setup, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for kill in KILLS:
        assert exit_code(varied.data, varied.folder, killed, kill) == -signal.SIGKILL, kill
    for run in (whole, killed):
        assert exit_code(varied.data, varied.folder, run, "never") == 0
    wanted = lines(whole / "metrics.jsonl", *TIMED)
    assert [(m["phase"], m["step"]) for m in wanted] == [
        *(("sft", step + 1) for step in range(5)),
        *(("grpo", step + 1) for step in range(9)),
    ]
    assert any(metric["grad_norm"] > 0 for metric in wanted if metric["phase"] == "grpo")
    assert lines(killed / "metrics.jsonl", *TIMED) == wanted
    rollouts = lines(whole / "completions.jsonl")
    assert [rollout["step"] for rollout in rollouts] == [0] * 12 + [4] * 12 + [8] * 12
    assert lines(killed / "completions.jsonl") == rollouts
    # The second epoch has another order than the first.
    assert [r["sample"] for r in rollouts[:12]] != [r["sample"] for r in rollouts[12:]]
    for model in ("sft/model", "model"):
        weights = load_file(whole / model / "model.safetensors")
        found = load_file(killed / model / "model.safetensors")
        assert weights.keys() == found.keys()
        assert all(torch.equal(found[name], weights[name]) for name in weights)
    start = load_file(varied.folder / "model.safetensors")
    assert any(not torch.equal(weights[name], start[name]) for name in start)


def work_with_notices(data: Path, model: Path, run: Path, most: int, seed: int) -> None:
    """Train, told to end at random moments; write down how often that was."""
    torch.set_num_threads(1)
    vars(logs)["pretext_reward"] = by_content
    random = Random(seed)
    for number in range(most):
        timer = Timer(random.uniform(0.0, 0.6), os.kill, [os.getpid(), signal.SIGTERM])
        try:
            with heeded(seconds=1000):
                timer.start()
                pipeline.train(data, str(model), run, CONFIG)
        except Notice:
            (run / "notices").write_text(str(number + 1))
        else:
            return
        finally:
            timer.cancel()
            timer.join()
    pipeline.train(data, str(model), run, CONFIG)


@pytest.mark.parametrize("varied", ["qwen3_vl"], indirect=True)
def test_a_run_that_is_told_to_end_goes_on_bit_by_bit(varied: Setup, tmp_path: Path) -> None:
    whole, told = tmp_path / "whole", tmp_path / "told"
    told.mkdir()
    context = multiprocessing.get_context("forkserver")
    arguments = {whole: (0, 0), told: (NOTICES, 7)}
    for run, asked in arguments.items():
        given = (varied.data, varied.folder, run, *asked)
        process = context.Process(target=work_with_notices, args=given)
        process.start()
        process.join(560)
        assert process.exitcode == 0
    assert int((told / "notices").read_text()) == NOTICES
    assert lines(told / "metrics.jsonl", *TIMED) == lines(whole / "metrics.jsonl", *TIMED)
    assert lines(told / "completions.jsonl") == lines(whole / "completions.jsonl")
    for model in ("sft/model", "model"):
        weights = load_file(whole / model / "model.safetensors")
        found = load_file(told / model / "model.safetensors")
        assert all(torch.equal(found[name], weights[name]) for name in weights)


def checkpoint(run: Path, step: int, whole: bool = True, phase: str = "sft") -> Path:
    """A checkpoint of a few small files."""
    folder = run / phase / "checkpoints" / f"checkpoint-{step}"
    (folder / "optimizer_0").mkdir(parents=True)
    for name in ("model.safetensors", "optimizer.pt", "optimizer_0/.metadata"):
        (folder / name).write_text(f"{name} of step {step}")
    if whole:
        declare(run, folder / "whole", {path: path for path in files_of(folder)})
    return folder


def test_only_whole_checkpoints_are_gone_on_from(tmp_path: Path) -> None:
    folder = tmp_path / "sft" / "checkpoints"
    assert last_whole(tmp_path, "sft") is None
    for step in (9, 10, 20):
        checkpoint(tmp_path, step, whole=False)
    assert last_whole(tmp_path, "sft") is None and not list(folder.iterdir())
    for step in (9, 10, 20):
        checkpoint(tmp_path, step, whole=step < 20)
    (folder / "checkpoint-of-mine").mkdir()
    assert last_whole(tmp_path, "sft") == folder / "checkpoint-10"
    assert {path.name for path in folder.iterdir()} == {
        *("checkpoint-9", "checkpoint-10", "checkpoint-of-mine")
    }


HARMS: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "exchanged": lambda path: path.write_bytes(path.read_bytes()[::-1]),
}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("name", ["optimizer.pt", "optimizer_0/.metadata"])
def test_a_harmed_checkpoint_is_named_and_the_one_before_it_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str, name: str
) -> None:
    before, last = checkpoint(tmp_path, 3), checkpoint(tmp_path, 6)
    HARMS[harm](last / name)
    assert last_whole(tmp_path, "sft") == before and not last.exists()
    assert f"checkpoint-6/{name}" in caplog.text and "goes on from" in caplog.text
    HARMS[harm](before / name)
    with pytest.raises(UsageError, match=rf"(?s)checkpoint-3/{name}.*remove \S+/sft/checkpoints"):
        last_whole(tmp_path, "sft")
    assert before.is_dir()


@pytest.mark.parametrize("told", ["{", "[]", "[[1]]", '{"../x": {}}', "0" * 9, "\x00" * 9])
def test_a_list_that_is_none_is_named(tmp_path: Path, told: str) -> None:
    only = checkpoint(tmp_path, 3)
    (only / "whole").write_text(told)
    with pytest.raises(UsageError, match="checkpoint-3/whole is no list of files"):
        last_whole(tmp_path, "sft")


@pytest.mark.parametrize("step", [3, 6])
def test_the_list_of_another_checkpoint_does_not_pass(tmp_path: Path, step: int) -> None:
    here = checkpoint(tmp_path, 6)
    other = checkpoint(tmp_path, step, phase="dpo")
    (here / "whole").write_bytes((other / "whole").read_bytes())
    with pytest.raises(UsageError, match=r"checkpoint-6/whole says: its files are not listed"):
        last_whole(tmp_path, "sft")


@pytest.fixture
def listless(tmp_path: Path) -> Path:
    """A checkpoint as 0.1.0 wrote it."""
    folder = tmp_path / "sft" / "checkpoints" / "checkpoint-3"
    folder.mkdir(parents=True)
    (folder / "whole").touch()
    (folder / "trainer_state.json").write_text("{}")
    (folder / "merges.txt").write_text("a b")
    save_file({"a": torch.ones(9)}, folder / "model.safetensors")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"):
        torch.save({"a": torch.ones(9)}, folder / name)
    return folder


def test_a_checkpoint_without_a_list_is_taken_with_one_warning(
    listless: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert last_whole(tmp_path, "sft") == listless
    assert caplog.text.count("has no list of its files") == 1


@pytest.mark.parametrize("harm", ["deleted", "cut", "emptied", "zeroed"])
@pytest.mark.parametrize(
    "name", ["optimizer.pt", "scheduler.pt", "model.safetensors", "trainer_state.json"]
)
def test_without_a_list_headers_are_looked_at(
    listless: Path, tmp_path: Path, name: str, harm: str
) -> None:
    HARMS[harm](listless / name)
    with pytest.raises(UsageError, match=rf"checkpoint-3/{name} is missing or not whole.*remove"):
        last_whole(tmp_path, "sft")


def test_a_checkpoint_goes_without_what_is_not_of_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    args, run = SimpleNamespace(), tmp_path
    states = [
        SimpleNamespace(global_step=n, max_steps=9, is_world_process_zero=True) for n in (3, 6)
    ]
    control = SimpleNamespace(should_save=True)
    (notes := run / "sft" / "checkpoints" / "checkpoint-3" / "notes.txt").parent.mkdir(parents=True)
    notes.write_text("mine")
    callback = Checkpoints(run, "sft")
    for state in states:
        callback.on_step_end(args, state, control)
        folder = run / "sft" / "checkpoints" / f"checkpoint-{state.global_step}"
        folder.mkdir(exist_ok=True)
        (folder / "optimizer.pt").write_text("ours")
        (folder / "odd.name").write_text("ours too, by the list")
        if state.global_step == 6:  # put there after it was written
            (notes.parent / "more.txt").write_text("mine")
        callback.on_save(args, state, control)
    assert {path.name for path in notes.parent.iterdir()} == {"notes.txt", "more.txt"}
    assert "more.txt, notes.txt" in caplog.text
    assert last_whole(run, "sft") == folder


def test_a_finished_phase_keeps_no_checkpoints(tmp_path: Path) -> None:
    left = checkpoint(tmp_path, 3)
    (model := tmp_path / "sft" / "model").mkdir()
    (model / "config.json").write_text("{}")
    declare(tmp_path, tmp_path / "sft" / "whole", {path: path for path in files_of(model)})
    assert going_on(tmp_path, {"sft": model}, ["grpo"]) == {}
    assert model.is_dir() and not left.exists()


def test_the_checkpoint_before_stays_until_the_next_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, new = checkpoint(tmp_path, 3), checkpoint(tmp_path, 6, whole=False)
    state = SimpleNamespace(global_step=6, max_steps=9, is_world_process_zero=True)

    def full(folder: Path) -> None:
        raise WriteError("no space left on device")

    monkeypatch.setattr(resume, "sync", full)
    with pytest.raises(WriteError):
        Checkpoints(tmp_path, "sft").on_save(None, state, None)
    assert last_whole(tmp_path, "sft") == before and not new.exists()


def test_lost_steps_are_taken_from_the_logs(tmp_path: Path) -> None:
    def write(name: str, told: list[dict[str, Any]], cut: str = "") -> None:
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in told) + cut)

    metrics = [{"phase": p, "step": s} for p in ("sft", "grpo") for s in (1, 2, 3)]
    write("metrics.jsonl", metrics, '{"phase": "gr')
    # A checkpoint after step 2: rollouts that begin step 3 carry the number 2.
    write("completions.jsonl", [{"step": step} for step in (0, 1, 2)])
    rewind(tmp_path, "grpo", 2)
    assert lines(tmp_path / "metrics.jsonl") == metrics[:-1]
    assert lines(tmp_path / "completions.jsonl") == [{"step": 0}, {"step": 1}]
    rewind(tmp_path, "sft", 0)
    assert lines(tmp_path / "metrics.jsonl") == metrics[3:-1]


def test_logs_that_were_harmed_are_named_and_what_can_be_read_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = tmp_path / "metrics.jsonl"
    good = b"".join(b'{"phase": "sft", "step": %d}\n' % step for step in (1, 2, 3))
    metrics.write_bytes(good)
    last = checkpoint(tmp_path, 3)
    metrics.write_bytes(good + b'{"phase": "sft", "step": 4}\n')
    assert going_on(tmp_path, {}, ["sft"]) == {"sft": last} and not caplog.text
    metrics.write_bytes(bytes(28) + b"\xff\n[]\n" + good[28:])
    assert going_on(tmp_path, {}, ["sft"]) == {"sft": last}
    rewind(tmp_path, "sft", 3)
    assert metrics.read_bytes() == good[28:]
    assert "metrics.jsonl has other content" in caplog.text and "2 lines" in caplog.text
