"""Evaluation runs without a model: made answers to a real sample set, graded as a model's are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from kuleshov.controls import CONTROLS
from kuleshov.dataset import load_samples
from kuleshov.evaluate.backends import Reply, Request
from kuleshov.evaluate.results import Result, append_results
from kuleshov.evaluate.runner import result_of
from kuleshov.randomness import rng_for
from kuleshov.run import samples_hash
from kuleshov.sample import Sample
from kuleshov.tasks import task_of

Says = Callable[[Sample, str], str]
"""What a model writes to a sample under a condition."""


def knows(share: float, seed: int = 0) -> Says:
    """The truth of a share of the items, less of it the less is seen, else a guess."""
    seen = {"full": 1.0, "half_rate": 0.8, "reversed": 0.6, "shuffled": 0.5, "single": 0.3}

    def says(sample: Sample, condition: str) -> str:
        rng = rng_for("answered", seed, sample.id, condition)
        task = task_of(sample)
        known = rng.random() < share * seen.get(condition, 0.0)
        answer = sample.answer if known else task.guess(sample, rng)
        return f"I looked at {condition}.\n{task.completion(answer)}"

    return says


def answered(
    run: Path,
    data: Path,
    says: Says,
    conditions: Sequence[str] = ("full", *CONTROLS),
    split: str | None = "held_out",
) -> Path:
    """Write a run folder as `kuleshov eval` does.

    Args:
        run: the folder.
        data: what `kuleshov make` wrote.
        says: the model.
        conditions: under which it is asked.
        split: of the samples; None for all.
    """
    samples = load_samples(data, split)
    run.mkdir(parents=True)
    record = {
        "model": run.name,
        "weights": "",
        "data": str(data.resolve()),
        "samples": samples_hash(samples),
        "temperature": 0.0,
        "bench": None,
        "versions": {"python": "3"},
    }
    (run / "environment.json").write_text(json.dumps(record))
    (run / "config.yaml").write_text("batch_size: 1\n")
    append_results(run, (_result(s, c, says(s, c)) for c in conditions for s in samples))
    return run


def _result(sample: Sample, condition: str, text: str) -> Result:
    sizes = tuple((item.height, item.width) for item in sample.media)
    frames = sum(len(item.frames) for item in sample.media)
    seconds = tuple([frame.shown_seconds for frame in item.frames] for item in sample.media)
    reply = Reply(text, "stop", frames, 100, seconds, sizes, "")
    return result_of(Request(sample, (), condition), reply)
