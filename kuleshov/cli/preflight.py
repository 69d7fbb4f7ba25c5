"""`kuleshov preflight`: whether a training would go well."""

from __future__ import annotations

from typing import Annotated

import typer

from kuleshov.cli.console import err, out
from kuleshov.cli.options import Config, Data, Sets, Videos
from kuleshov.cli.training import training_libraries
from kuleshov.live import live


def preflight(
    model: Annotated[str, typer.Argument(help="Name or path of a Hugging Face Video LLM.")],
    data: Data,
    config: Config = None,
    seconds: Annotated[
        float, typer.Option(min=1, help="After which no further check begins.")
    ] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, in one line.")] = False,
    sets: Sets = None,
    videos: Videos = None,
) -> None:
    """Look at a model, a sample set and this machine before a training.

    Loads the model and checks what would make a training fail or learn from something else than the
    videos: its processor, chat template and end of a turn; whether it sees pixels and their order;
    whether shared prompts and kept embeddings give what plain ones do; what it answers; and what
    one step takes. Ends with a verdict and remedies, as text to be pasted into an issue; exit code
    1 if it is "not ready".

    Example: kuleshov preflight Qwen/Qwen3-VL-2B-Instruct samples
    """
    from kuleshov.recipe import load
    from kuleshov.train.config import TrainConfig

    settings = load(config, "train", TrainConfig, {}, sets=sets or ())
    with training_libraries():
        from kuleshov.preflight import preflight as look

        with live(err) as shown:
            report = look(model, data, settings, seconds, shown.progress)
    text = report.to_json() if as_json else report.text()
    out.print(text, markup=False, highlight=False, soft_wrap=True)
    if report.verdict == "not ready":
        raise typer.Exit(1)
