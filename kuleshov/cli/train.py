"""`kuleshov train`: a model on a sample set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuleshov.cli.console import err, out
from kuleshov.cli.options import PUSH, Config, Data, Sets, Videos
from kuleshov.cli.summaries import left_out_of
from kuleshov.cli.training import main_process, training_libraries
from kuleshov.live import live


def train(
    data: Data,
    model: Annotated[str, typer.Option(help="Name or path of a Hugging Face Video LLM.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="RUN", help="Run folder.")],
    config: Config = None,
    seed: Annotated[int | None, typer.Option(help="Of the order and the rollouts.")] = None,
    sets: Sets = None,
    push_to_hub: Annotated[
        str | None, typer.Option(metavar="REPO", help=PUSH.format(what="the model"))
    ] = None,
    videos: Videos = None,
) -> None:
    """Train a model on a sample set: an optional cold start, then GRPO.

    On several GPUs: accelerate launch --config_file recipes/accelerate/8_gpu.yaml -m kuleshov
    train ...

    Example: kuleshov train samples --model Qwen/Qwen3-VL-2B-Instruct -o runs/first
    """
    from kuleshov import hub
    from kuleshov.recipe import load
    from kuleshov.train.config import TrainConfig

    settings = load(config, "train", TrainConfig, {"seed": seed}, sets=sets or ())
    if push_to_hub is not None:
        hub.check(push_to_hub)
    with training_libraries():
        from kuleshov.train.pipeline import train as run

        with live(err) as shown:
            trained = run(data, model, output, settings, shown.progress, shown.figures)
    if not main_process():
        return
    left_out_of(output)
    out.print(str(trained), soft_wrap=True)
    if push_to_hub is not None:
        out.print(hub.push(trained, push_to_hub, "model"), soft_wrap=True)
