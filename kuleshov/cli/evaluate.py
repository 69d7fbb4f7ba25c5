"""`kuleshov eval`: what a model answers."""

from __future__ import annotations

from contextlib import nullcontext
from math import fsum
from pathlib import Path
from typing import Annotated, Any

import typer

from kuleshov.cli.console import empty_table, err, out
from kuleshov.cli.options import Config, Data, Sets, Videos
from kuleshov.cli.summaries import audited, left_out_of
from kuleshov.cli.training import main_process, one_process, training_libraries
from kuleshov.live import live


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="Name or path of a Hugging Face Video LLM; or a floor: policy:random, "
            "policy:best_constant, policy:majority, policy:learned."
        ),
    ],
    data: Data,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="RUN", help="Run folder.")],
    config: Config = None,
    sets: Sets = None,
    backend: Annotated[str | None, typer.Option(help="transformers, vllm or openai.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="For openai: http://127.0.0.1:8000/v1.")
    ] = None,
    model_name: Annotated[
        str | None, typer.Option(help="What the endpoint calls it, if not MODEL.")
    ] = None,
    videos: Videos = None,
) -> None:
    """Ask a model the held-out questions, with the video and without.

    Example: kuleshov eval runs/first/model samples -o runs/first-eval
    """
    from kuleshov.evaluate.config import EvalConfig
    from kuleshov.evaluate.policies import PREFIX, evaluate_policy
    from kuleshov.recipe import load

    changes = {"backend": backend, "endpoint": endpoint, "model_name": model_name}
    settings = load(config, "eval", EvalConfig, changes, sets=sets or ())
    if model.startswith(PREFIX):
        one_process("eval of a policy")
        results = evaluate_policy(model, data, output, settings)
    else:
        # An endpoint needs no torch here.
        with nullcontext() if settings.backend == "openai" else training_libraries():
            from kuleshov.evaluate.runner import evaluate as run

            with live(err) as shown:
                results = run(model, data, output, settings, shown.progress)
    if not main_process():
        return
    table = empty_table("task", "condition", "items", "mean reward", "no answer")
    for key in sorted({(r.task, r.condition) for r in results}):
        here = [r for r in results if (r.task, r.condition) == key]
        mean = fsum(r.score for r in here) / len(here)
        failed = sum(not r.parsed for r in here) / len(here)
        table.add_row(*key, str(len(here)), f"{mean:.3f}", f"{failed:.1%}")
    out.print(table)
    left_out_of(output)
    _trained_on(output)
    _benchmark(data, results)


def _trained_on(run: Path) -> None:
    """Said, as a score on videos that a model was trained on may be memory."""
    from kuleshov.run import environment

    if known := environment(run).get("videos_trained_on"):
        err.print(f"{len(known)} of the videos were trained on: the score may be memory")


def _benchmark(data: Path, results: list[Any]) -> None:
    """The published metrics of a benchmark, and what the audit of a frozen one found."""
    from kuleshov.dataset import load_samples
    from kuleshov.evaluate.adapters.table import benchmark_of
    from kuleshov.evaluate.adapters.table import table as published
    from kuleshov.evaluate.bench import MANIFEST, load
    from kuleshov.evaluate.metrics import published_table

    if (name := benchmark_of(data)) is not None:
        asked = {r.sample for r in results}
        table = empty_table(name, "metric", "items", "value", "95 %", "no answer")
        lines = published(name, [s for s in load_samples(data) if s.id in asked], results)
        for line in lines:
            if line.value is not None:
                table.add_row(*line.cells())
        out.print(table)
        for line in lines:
            if line.value is None:
                out.print(f"{line.metric}: not computed, {line.why}", soft_wrap=True)
    if not (data / MANIFEST).is_file():
        return
    manifest = load(data)
    table = empty_table(manifest["name"], "metric", "items", "value")
    for row in published_table(results, load_samples(data)):
        table.add_row(row.name, row.metric, str(row.n), f"{row.value:.3f}")
    out.print(table)
    audited(manifest["audit"]["errors"])
