"""Evaluation from end to end with a tiny model: two frozen benchmarks, floors, controls, the page.

    python -m benchmarks.eval_demo [--output runs/eval-demo]

Makes clips, freezes a small VIUBench (its nine subtypes) and a small masked-prediction bench of
three levels, cold-starts a tiny model with random weights, trains it a little with GRPO, asks both
models all questions under all conditions and writes the report.

The figures are those of a tiny model on a few small frames after some minutes of training: they
show that the machinery works, and nothing about how well a real model does.

Prints one JSON line: for each benchmark and its tasks the scores of both models with the
difference, its interval and p, the floors and the time gain; `regressed`, `seconds`, and the
page's path.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from kuleshov.audit import audit
from kuleshov.clips import write_clips
from kuleshov.controls import CONTROLS
from kuleshov.dataset import load_samples
from kuleshov.evaluate.bench import freeze
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.policies import POLICIES, evaluate_policy
from kuleshov.evaluate.runner import evaluate
from kuleshov.report.build import build
from kuleshov.report.compared import labelled
from kuleshov.report.results import regressed
from kuleshov.synthesize import MakeConfig, make
from kuleshov.train import tiny
from kuleshov.train.config import GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.pipeline import train

TRAIN_CLIPS, BENCH_CLIPS, SECONDS = 64, 12, 4.0
SMALL = {"min_pixels": 3136, "max_pixels": 3136, "size_multiple": 28}
EIGHT = {**SMALL, "num_frames": 8, "min_frames": 8}
KINDS = ("channel_swap", "rotate180", "zoom_out", "mirror", "shuffle")
ANOMALY = {**EIGHT, "min_segment": 2, "max_segment": 4}
COUNTING = {**EIGHT, "max_instances": 2, "min_gap": 1}
MASKED = {**SMALL, "task": "masked", "fps": 6.0, "max_similarity": 0.9999}

VIUBENCH: dict[str, dict[str, Any]] = {
    "counting_easy": {**COUNTING, "task": "counting", "max_frames": 2},
    "counting_hard": {**COUNTING, "task": "counting", "max_frames": 3},
    **{kind: {**ANOMALY, "task": "anomaly", "kinds": [kind]} for kind in KINDS},
    "jigsaw_easy": {**EIGHT, "task": "jigsaw", "num_clips": 4},
    "jigsaw_hard": {**EIGHT, "task": "jigsaw", "num_clips": 8, "num_frames": 16},
}
LEVELS: dict[str, dict[str, Any]] = {
    f"masked_{level}": {**MASKED, "level": level} for level in ("easy", "medium", "hard")
}
"""The entries of recipes/viubench_default.yaml and recipes/masked_bench.yaml with small knobs."""

TASKS: dict[str, dict[str, Any]] = {
    "anomaly": {**ANOMALY, "kinds": list(KINDS)},
    "counting": {**COUNTING, "max_frames": 2},
    "jigsaw_easy": VIUBENCH["jigsaw_easy"],
    "jigsaw_hard": VIUBENCH["jigsaw_hard"],
    **LEVELS,
}
"""What is trained on: every form of answer that the benchmarks ask for."""
TRAINING = TrainConfig(
    sft=SFTSettings(
        steps=800,
        batch_size=8,
        learning_rate=1e-3,
        warmup_steps=20,
        extra={"adam_beta2": 0.95},
    ),
    grpo=GRPOSettings(
        steps=24,
        prompts_per_step=8,
        group_size=8,
        learning_rate=3e-4,
        max_completion_tokens=16,
        extra={"adam_beta2": 0.95, "warmup_steps": 5},
    ),
)
ASKED = EvalConfig(conditions=("full", *CONTROLS), batch_size=64, max_completion_tokens=16)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, default=Path("runs/eval-demo"))
    out = parser.parse_args().output
    if out.exists() and any(out.iterdir()):
        sys.exit(f"{out} is not empty; remove it, or give another folder with --output")
    started = time.monotonic()
    said: set[str] = set()

    def progress(what: str, done: int, total: int) -> None:
        if what not in said:
            print(f"{time.monotonic() - started:6.0f} s  {what}", file=sys.stderr)
        said.add(what)

    print(json.dumps(demo(out, progress) | {"seconds": round(time.monotonic() - started)}))


def demo(
    out: Path,
    progress: Any,
    clips: tuple[int, int] = (TRAIN_CLIPS, BENCH_CLIPS),
    training: TrainConfig = TRAINING,
) -> dict[str, Any]:
    """Everything; returns the figures.

    Args:
        out: an empty folder.
        progress: told of every step.
        clips: to train with, and those that the benchmarks are made of.
        training: how long and how.
    """
    write_clips(out / "train-clips", clips[0], 1, SECONDS, 2, progress)
    write_clips(out / "bench-clips", clips[1], 2, SECONDS, 2, progress)
    samples = MakeConfig(tasks=TASKS, per_video=4, held_out=0.0, near_duplicates=None, workers=2)
    make(out / "train-clips", out / "samples", samples, progress)
    benches = {"viubench": VIUBENCH, "masked": LEVELS}
    for name, tasks in benches.items():
        whole = replace(samples, tasks=tasks, per_video=1, held_out=1.0)
        make(out / "bench-clips", out / name, whole, progress)
        freeze(out / name, name, audit(out / name, 20, progress=progress))
    prompts = [sample.prompt for sample in load_samples(out / "samples")]
    tiny.build(out / "tiny", prompts, "qwen2_5_vl", 0)
    trained = train(out / "samples", str(out / "tiny"), out / "train", training, progress)
    runs = []
    for name in benches:
        for model, path in (("base", out / "train" / "sft" / "model"), ("trained", trained)):
            run = out / f"{name}-{model}"
            evaluate(str(path), out / name, run, ASKED, progress)
            runs.append(run)
        for policy in POLICIES:
            evaluate_policy(policy, out / name, out / f"{name}-{policy}", ASKED)
    page = out / "report" / "index.html"
    sets = build(
        [*runs, out / "train"],
        page.parent,
        lead="A tiny model with random weights after a short cold start (base) and after some "
        "steps of GRPO (trained), on a few small frames of procedural clips. It shows that the "
        "machinery works, not how well a real model does.",
        progress=progress,
    )
    kept = ("before", "after", "difference", "interval", "p", "p_holm", "floors", "time_gain", "n")
    figures = {name: row.to_json() for name, row in labelled(sets).items()}
    return {
        "tasks": {name: {key: row[key] for key in kept} for name, row in figures.items()},
        "regressed": [line.name for line in regressed(sets)],
        "page": str(page.resolve()),
    }


if __name__ == "__main__":
    main()
