"""`kuleshov plan`: what a training would do."""

from __future__ import annotations

from typing import Annotated

import typer

from kuleshov.cli.console import empty_table, out
from kuleshov.cli.options import Config, Sets
from kuleshov.cli.training import training_libraries


def plan(
    model: Annotated[str, typer.Option(help="Name of a published size, see docs/training.md.")],
    config: Config = None,
    processes: Annotated[int, typer.Option(help="GPUs, each with a process of its own.")] = 1,
    shard: Annotated[
        bool, typer.Option(help="Share weights, gradients and optimizer over the GPUs (FSDP).")
    ] = False,
    sets: Sets = None,
) -> None:
    """Say what a training would do, without weights, videos or a GPU.

    Builds the model in its real size without memory for its weights, sees what of it is trained,
    and prints how a step is divided and an estimate of the memory of each GPU.

    Example: kuleshov plan --model Qwen/Qwen3-VL-8B-Instruct --processes 8 --shard
    """
    from kuleshov.recipe import load
    from kuleshov.synthesize import MakeConfig
    from kuleshov.train.config import TrainConfig

    settings = load(config, "train", TrainConfig, {}, sets=sets or ())
    made = load(config, "make", MakeConfig, {})
    with training_libraries():
        from kuleshov.train.plan import plan as look

        planned = look(model, settings, made, processes, shard)
    table = empty_table("what", "is")
    table.columns[1].justify = "left"
    for name, value in planned.rows():
        table.add_row(name, value)
    out.print(table)
