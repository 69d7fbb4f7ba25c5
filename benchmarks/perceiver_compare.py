"""Does VideoPerceiver's comparative reward do what it says? Its parts at equal compute.

    python -m benchmarks.perceiver_compare [--output runs/perceiver-compare]

Clips with an event that lasts a moment (`benchmarks/transient.py`), a tiny model, and for each seed
one cold start from which every arm of `ARMS` is trained with GRPO until the same budget of tokens
is spent. Then all models answer the held-out questions on the clips as they are, and on the same
clips without the frames of the event.

    tokens        policy + generated; what the budget is of, see `benchmarks/budget.py`
    accuracy      of answers to the questions about the event, on the full clips
    sensitivity   that accuracy less the accuracy of the same questions on the degraded clips
    gain          accuracy less that of the cold start of the same seed; sensitivity_gain likewise
    over_q        accuracy less that of GRPO with Q of the same seed
    over_control  accuracy less that of its control (`CONTROLS`) of the same seed
    quiet         accuracy on the control questions, which do not need the event

Intervals are 95 %, by bootstrap over held-out videos and seeds: in each draw as many videos, with
all of their questions, and as many seeds are drawn with replacement as there are. Answers are
greedy, so nothing else is random.

Killed and started again it goes on: each finished cold start and each finished arm of a seed leaves
a file, and what was begun is begun again. A folder with other settings is refused. `QUICK=1` in
the environment takes seconds and says nothing about the arms.

Prints one JSON line last.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.budget import Counted, Spent
from benchmarks.perceiver import (
    SIDES,
    answered,
    carry_out,
    file_of,
    go_on,
    interval,
    records,
    scores,
    write_degraded,
)
from benchmarks.transient import EVENT, write_set
from kuleshov.dataset import load_samples
from kuleshov.files import replace_text
from kuleshov.train import phases, tiny
from kuleshov.train.config import GRPOSettings, SFTSettings, TrainConfig
from kuleshov.train.pipeline import train
from kuleshov.train.preference import KEY_FRAMES

PAPER = {"degraded": KEY_FRAMES, "quality": "exact", "base": "surface", "gate": False}
"""Q is exact match, A_base comes from the surface reward, the baseline is a moving average."""
ARMS: dict[str, dict[str, Any]] = {
    # The paper's ablation C read literally: what is left is the surface reward.
    "base": {**PAPER, "weight": 0.0},
    # Its other reading: plain GRPO, with Q for its reward.
    "grpo_q": {**PAPER, "weight": 0.0, "base": "task"},
    "rc": PAPER,
    "rc_gate": {**PAPER, "gate": True},
    "rc_gate_refeed": {**PAPER, "gate": True, "retries": 2},
    # Ours: what answers the degraded video is trained as well.
    "rc_gradient": {**PAPER, "degraded_gradient": True},
    # Ours: rc and rc_gate with Q in the place of r_c, and so without degraded videos.
    "q_ema": {**PAPER, "against": "nothing"},
    "q_ema_gate": {**PAPER, "against": "nothing", "gate": True},
}
"""Options of the objective `comparative`; the score of `labelled` is exact match, so that Q and
the task's own reward are the same."""
CONTROLS = {"rc": "q_ema", "rc_gate": "q_ema_gate"}
"""What an arm comes to without the degraded video: the same base, baseline and gate."""
COLD = "cold"
_LOGGED = ("comparative", "refeed", "reward")

COLD_START = SFTSettings(
    steps=300,
    batch_size=8,
    learning_rate=1e-3,
    warmup_steps=20,
    extra={"adam_beta2": 0.95},
)
GRPO = GRPOSettings(
    steps=100_000,
    prompts_per_step=8,
    group_size=8,
    learning_rate=3e-4,
    objective="comparative",
    max_completion_tokens=16,
    # No decay: how many steps the budget is worth is not known before they are done.
    extra={"adam_beta2": 0.95, "lr_scheduler_type": "constant_with_warmup", "warmup_steps": 10},
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of the whole comparison; fixed before its run.

    Args:
        seeds: of the weights of the tiny model, of its training and of the rollouts.
        clips: to train with, and held out; multiples of 48 for balanced answers.
        clips_seed: of the clips, which all seeds share.
        cold: the cold start, which is to end midway between chance and all right.
        grpo: of all arms alike; a run ends when the budget is spent, long before `steps`.
        budget: tokens for each arm and seed; as many as two cores are done with in half an hour.
        arms: which, in `ARMS`.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    clips: tuple[int, int] = (480, 144)
    clips_seed: int = 7
    cold: SFTSettings = COLD_START
    grpo: GRPOSettings = GRPO
    budget: int = 400_000
    arms: dict[str, dict[str, Any]] = field(default_factory=lambda: ARMS)


QUICK = Settings(
    seeds=(0,),
    clips=(12, 12),
    cold=replace(COLD_START, steps=2),
    grpo=replace(GRPO, prompts_per_step=2, group_size=4),
    budget=1500,
)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    quick = os.environ.get("QUICK", "") not in ("", "0")
    name = "perceiver-compare-quick" if quick else "perceiver-compare"
    parser.add_argument("--output", type=Path, default=Path("runs") / name)
    out = parser.parse_args().output
    print(json.dumps(compare(out, QUICK if quick else Settings(), workers=2)))


def compare(out: Path, settings: Settings, workers: int) -> dict[str, Any]:
    """Everything that is not done yet; returns the figures.

    Args:
        out: the folder.
        settings: those that it was begun with.
        workers: processes, of a thread each; 0 for none but this one.

    Raises:
        UsageError: the folder was begun with other settings.
        SystemExit: an arm failed.
    """
    go_on(out, settings)
    full, less = out / "full", out / "degraded"
    if not (less / "summary.json").is_file():
        write_set(full, *settings.clips, settings.clips_seed)
        write_degraded(less, load_samples(full, "held_out"), full / "clips")
    cold = [(COLD, seed) for seed in settings.seeds]
    arms = [(arm, seed) for seed in settings.seeds for arm in settings.arms]
    for jobs in (cold, arms):
        carry_out(out, jobs, partial(work, out, settings), workers)
    return figures(out, settings)


def work(out: Path, settings: Settings, job: tuple[str, int]) -> str:
    """One arm, or the cold start, of a seed; leaves its file, which holds all of its scores."""
    torch.set_num_threads(1)
    name, seed = job
    config = TrainConfig(seed=seed, checkpoint_steps=10**6, report_to=[], sft=settings.cold)
    cold = out / f"model-{seed}"
    spent = Spent(settings.budget)
    logs: list[Mapping[str, float]] = []
    # A folder of its own: a process that outlives a killed parent for a moment disturbs nobody.
    with TemporaryDirectory(prefix="begun-", dir=out) as temporary:
        folder = Path(temporary)
        if name == COLD:
            prompts = [sample.prompt for sample in load_samples(out / "full", "train")]
            tiny.build(folder / "tiny", prompts, seed=seed)
            config = replace(config, grpo=GRPOSettings(steps=0))
            model = train(out / "full", str(folder / "tiny"), folder / "run", config)
        else:
            grpo = replace(settings.grpo, objective_options=settings.arms[name])
            config = replace(config, sft=SFTSettings(), grpo=grpo)
            with patch.object(phases, "VideoGRPOTrainer", partial(Counted, spent=spent)):
                model = train(
                    out / "full",
                    str(cold),
                    folder / "run",
                    config,
                    figures=lambda what, step, steps, values: logs.append(values),
                )
        scores = answered(model, out, folder)
        if name == COLD:
            shutil.rmtree(cold, ignore_errors=True)
            model.rename(cold)
    record = {
        "steps": spent.steps,
        "policy_tokens": spent.policy,
        "generated_tokens": spent.generated,
        "seconds": round(spent.seconds, 1),
        "logged": _means(logs),
        "scores": scores,
    }
    replace_text(file_of(out, job), json.dumps(record, indent=1) + "\n")
    right = {side: sum(found.values()) / len(found) for side, found in scores.items()}
    return f"{spent.steps} steps, {spent.total} tokens, {spent.seconds:.0f} s, right {right}"


def _means(logs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What the objective logged, and the reward, averaged over the steps."""
    names = {n for log in logs for n in log if n.split("/")[0] in _LOGGED}
    values = {name: [float(log[name]) for log in logs if name in log] for name in sorted(names)}
    return {name: round(float(np.mean(found)), 4) for name, found in values.items()}


def figures(out: Path, settings: Settings) -> dict[str, Any]:
    """What is printed, from the files of all arms and seeds."""
    samples = load_samples(out / "full", "held_out")
    event = [sample for sample in samples if sample.entry in EVENT]
    quiet = [sample for sample in samples if sample.entry not in EVENT]

    def of(name: str) -> list[dict[str, Any]]:
        return records(out, name, settings.seeds)

    def told(name: str) -> dict[str, Any]:
        full, less = (scores(of(name), side, event) for side in SIDES)
        row = interval("accuracy", full, event, 0.0)
        row["interval"] = row.pop("accuracy_interval")
        row |= interval("sensitivity", full - less, event)
        row |= interval("quiet", scores(of(name), "full", quiet), quiet, 0.0)
        if name == COLD:
            return row
        before, after = (scores(of(COLD), side, event) for side in SIDES)
        row |= interval("gain", full - before, event)
        row |= interval("sensitivity_gain", full - less - (before - after), event)
        for difference, other in (("over_q", "grpo_q"), ("over_control", CONTROLS.get(name))):
            if other in settings.arms and name != other:
                row |= interval(difference, full - scores(of(other), "full", event), event)
        return row | cost(of(name))

    chance = sum(sample.chance for sample in event) / len(event)
    return {
        "arms": {name: told(name) for name in settings.arms},
        "cold_start": told(COLD),
        "chance": round(chance, 4),
        "budget": settings.budget,
        "seeds": len(settings.seeds),
        "videos": len({sample.video_ids[0] for sample in samples}),
    }


def cost(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What an arm took, as means over its seeds; seconds are of one CPU core."""
    steps, policy, generated, seconds = (
        sum(run[key] for run in runs) / len(runs)
        for key in ("steps", "policy_tokens", "generated_tokens", "seconds")
    )
    return {
        "tokens": round(policy + generated),
        "policy_tokens": round(policy),
        "generated_tokens": round(generated),
        "steps": round(steps),
        "seconds_per_step": round(seconds / steps, 3),
        "tokens_per_step": round((policy + generated) / steps),
        "logged": {
            name: round(sum(run["logged"][name] for run in runs) / len(runs), 4)
            for name in runs[0]["logged"]
        },
    }


if __name__ == "__main__":
    main()
