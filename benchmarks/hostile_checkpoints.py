"""Files of a stopped or finished training that are harmed one by one, and the same command again.

A tiny model is trained: a cold start, then GRPO. It is stopped in the middle of each phase and goes
on to its end, which is kept as it is after each. Then every file of a checkpoint, of a finished
model, and of the run itself is deleted, cut, zeroed, or exchanged for the same file of another
checkpoint or model, or for the one beside it. What may come of it is the end of the unharmed run,
bit by bit, or a message that names the file.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import load_file
from transformers.utils.logging import disable_progress_bar

from kuleshov.clips import write_clips
from kuleshov.dataset import load_samples
from kuleshov.errors import KuleshovError
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.runner import evaluate
from kuleshov.notice import Notice, heeded
from kuleshov.synthesize import MakeConfig, make
from kuleshov.train import follow, pipeline, tiny
from kuleshov.train.config import GRPOSettings, SFTSettings, TrainConfig

SIZE = {"min_pixels": 56 * 56, "max_pixels": 56 * 56, "size_multiple": 28}
TASKS: dict[str, dict[str, Any]] = {
    "jigsaw": {"num_clips": 3, "num_frames": 6, "min_frames": 6, **SIZE}
}
CONFIG = TrainConfig(
    checkpoint_steps=100,
    sft=SFTSettings(steps=3, batch_size=1, learning_rate=1e-3),
    grpo=GRPOSettings(
        steps=3,
        prompts_per_step=1,
        group_size=2,
        learning_rate=1e-3,
        beta=0.1,
        max_completion_tokens=3,
        objective="ema_grpo",
        # A window of two steps: the checkpoint after the first one holds its rollouts.
        extra={"num_iterations": 2},
    ),
)
HARMED = ("cold start, step 2", "GRPO, step 1", "the end")
"""The stages whose files are; those of the others are what they are exchanged for."""
STOPS = {"cold start": "sft/checkpoints/checkpoint-{}", "GRPO": "grpo/checkpoints/checkpoint-{}"}
MODELS = ("sft/model", "model")
OF_THE_RUN = (
    *("metrics.jsonl", "completions.jsonl", "environment.json", "config.yaml", ".kuleshov"),
    *("sft/whole", "grpo/whole"),
)
TIMED = ("step_time", "waiting", "tokens_per_second")
"""What no two runs have in common."""
HARMS: dict[str, Callable[[bytes, bytes], bytes | None]] = {
    "deleted": lambda here, other: None,
    "cut": lambda here, other: here[: len(here) // 2],
    "zeroed": lambda here, other: bytes(len(here)),
    "exchanged": lambda here, other: other,
}
"""(the file, another one) -> what becomes of it."""


def tries(folder: Path) -> Iterator[tuple[str, str]]:
    """(what was tried, "" or what is wrong with what came of it: "traceback" or "silent").

    Args:
        folder: to work in.
    """
    torch.set_num_threads(1)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    disable_progress_bar()
    with patch.object(follow, "pretext_reward", _reward):
        stages = _stages(folder)
        unharmed = _end(stages["the end"])
        run = folder / "run"
        for stage, name, others in harmed(stages):
            here = (stages[stage] / name).read_bytes()
            other = next((o for one in others if (o := one.read_bytes()) != here), b"")
            commands = ["train", *(one for one in MODELS if _evaluated(stage, name, one))]
            for (harm, change), command in product(HARMS.items(), commands):
                shutil.rmtree(run, ignore_errors=True)
                shutil.copytree(stages[stage], run)
                _write(run / name, change(here, other))
                go_on = _train if command == "train" else partial(_evaluate, command)
                came = _judged(name, unharmed, run, partial(go_on, folder, run))
                yield f"{stage}: {name} {harm}, {command}", came


def harmed(stages: Mapping[str, Path]) -> Iterator[tuple[str, Path, list[Path]]]:
    """(stage, a file of it that is harmed, files that it may be exchanged for)."""
    for stage in HARMED:
        place = stages[stage]
        for path, others in _files(place, stages):
            yield stage, path.relative_to(place), others


def _files(place: Path, stages: Mapping[str, Path]) -> Iterator[tuple[Path, list[Path]]]:
    for folder in sorted({*place.glob("*/checkpoints/checkpoint-*"), *place.glob("**/model")}):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder)
            same = [f / name for s in stages.values() for f in _alike(folder, s)]
            beside = [other for other in folder.iterdir() if other.is_file()]
            yield path, [other for other in (*same, *beside) if other.is_file()]
    for path in (place / name for name in OF_THE_RUN):
        there = [stage / path.relative_to(place) for stage in stages.values()]
        if path.is_file():
            yield path, [other for other in there if other.is_file()]


def _alike(folder: Path, stage: Path) -> list[Path]:
    """Folders of the same kind in another stage."""
    kind = "**/model" if folder.name == "model" else f"{folder.parent.parent.name}/*/checkpoint-*"
    return sorted(stage.glob(kind))


def _evaluated(stage: str, name: Path, model: str) -> bool:
    """Whether a file is one of a finished model, and not its card."""
    return stage == "the end" and name.is_relative_to(model) and name.name != "README.md"


def _stages(folder: Path) -> dict[str, Path]:
    """The run as it was after each stop, and in the end."""
    write_clips(folder / "videos", 2, seed=7, workers=0)
    make(folder / "videos", folder / "set", MakeConfig(workers=0, tasks=TASKS, held_out=0.5))
    tiny.build(folder / "model", [one.prompt for one in load_samples(folder / "set")])
    run, stages = folder / "stopped", {}
    for what, place in STOPS.items():
        for step in (1, 2):
            try:
                with heeded(seconds=1000):
                    _train(folder, run, partial(_told_to_end, (what, step)))
            except Notice:
                name = f"{what}, step {step}"
                assert (run / place.format(step) / "whole").is_file(), name
                stages[name] = shutil.copytree(run, folder / name)
    _train(folder, run)
    stages["the end"] = run
    return stages


def _told_to_end(at: tuple[str, int], what: str, done: int, total: int) -> None:
    if (what, done) == at:
        os.kill(os.getpid(), signal.SIGTERM)


def _train(folder: Path, run: Path, *told: Any) -> None:
    pipeline.train(folder / "set", str(folder / "model"), run, CONFIG, *told)


def _evaluate(model: str, folder: Path, run: Path) -> None:
    out = folder / "evaluated"
    shutil.rmtree(out, ignore_errors=True)
    evaluate(str(run / model), folder / "set", out, EvalConfig(max_completion_tokens=1))


def _reward(completions: Any, sample: list[str], **columns: Any) -> list[float]:
    """Rewards in [0, 1] that differ, for a model that writes noise."""
    return [sum(map(ord, one[0]["content"])) % 11 / 10 for one in completions]


def _write(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What the package warns of."""
    told: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("kuleshov")
    logger.addHandler(handler)
    try:
        yield told
    finally:
        logger.removeHandler(handler)


def _judged(name: Path, unharmed: Any, run: Path, go_on: Callable[[], None]) -> str:
    with _warnings() as told:
        try:
            go_on()
        except KuleshovError as error:
            return "" if str(name) in str(error) else "silent"
        except Exception:
            return "traceback"
    named = any(str(name) in text for text in told)
    return "" if named or _same(_end(run), unharmed) else "silent"


def _end(run: Path) -> Any:
    """What a run comes to: its weights, and what it wrote down."""
    weights = [load_file(run / model / "model.safetensors") for model in MODELS]
    texts = [(run / name).read_text() for name in ("model/README.md", "completions.jsonl")]
    metrics = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    lines = [{k: v for k, v in line.items() if k not in TIMED} for line in metrics]
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    # TensorBoard has a file for each start, TRL a card where there ever was a checkpoint.
    passing = ("/runs/", "/checkpoints/README.md")
    return weights, [*texts, lines, {n for n in files if not any(one in n for one in passing)}]


def _same(one: Any, other: Any) -> bool:
    pairs = zip(one[0], other[0], strict=True)
    same = all(a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for a, b in pairs)
    return same and one[1] == other[1]
