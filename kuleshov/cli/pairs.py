"""`kuleshov pairs`: key frames, and samples without them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kuleshov.cli.console import empty_table, err, out
from kuleshov.cli.options import REPLIES, Concurrency, Data, Overwrite, Videos
from kuleshov.errors import UsageError
from kuleshov.evaluate.config import CallConfig
from kuleshov.live import live

if TYPE_CHECKING:
    from kuleshov.endpoint import Endpoint


def pairs(
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Page to write; OUT/pairs.html if not given."
        ),
    ] = None,
    keys: Annotated[
        str, typer.Option(help="Key frames by evidence, change, motion, novelty or relevance.")
    ] = "evidence",
    paper: Annotated[
        bool, typer.Option(help="The published setting: every maximum of relevance.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="Embeds frames and keywords, for relevance.")
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(
            help="Add frames where nothing happens to captions and questions, until no more than "
            "this share are key frames."
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Finds keywords, for relevance; else YAKE does."),
    ] = None,
    model_name: Annotated[str | None, typer.Option(help="What the endpoint calls it.")] = None,
    concurrency: Concurrency = CallConfig.concurrency,
    count: Annotated[int, typer.Option(help="Pairs of each task that are shown.")] = 5,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the samples with their key frames to this folder, for training with "
            "degraded: key_frames, instead of the page.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    videos: Videos = None,
) -> None:
    """Show samples beside the same without their key frames, or write down what these are.

    Example: kuleshov pairs samples --keys novelty
    """
    from kuleshov.dataset import finished, load_summary
    from kuleshov.keyed import ask_ahead, write_keyed
    from kuleshov.keywords import asked, extracted
    from kuleshov.owned import check_page, writing
    from kuleshov.pairing import BLIP2, Keywords, Pairing
    from kuleshov.report.pairs import write

    pairing = replace(
        Pairing.paper() if paper else Pairing(keys=keys), model=model or BLIP2, share=share
    )
    if endpoint is not None and pairing.keys != "relevance":
        raise UsageError(f"--endpoint finds keywords for relevance; --keys is {pairing.keys}")
    kept = None if into is None else into / REPLIES
    calls = CallConfig(concurrency=concurrency)
    with ExitStack() as stack:
        # An endpoint that can never be asked is refused before anything is looked at.
        found = stack.enter_context(_asked_at(endpoint, model_name, calls, kept))
        load_summary(data)
        page = output or data / "pairs.html"
        if into is None:
            check_page(page)
            if output is None:
                stack.enter_context(writing(data, "samples"))
        elif into.resolve() != data.resolve():
            stack.enter_context(writing(into, "samples", data))
        keywords: Keywords = extracted if found is None else lambda text: asked(text, found.ask)
        if into is not None:
            finished(into, overwrite)
            with live(err) as progress:
                if found is not None:
                    ask_ahead(data, pairing, found, progress.progress)
                counts = write_keyed(data, into, pairing, keywords, progress.progress, overwrite)
            table = empty_table("key frames", "samples")
            for kind, number in counts.items():
                table.add_row(kind.replace("_", " "), str(number))
            out.print(table)
            out.print(str(into), soft_wrap=True)
            return
        shown, without = write(data, page, pairing, count, keywords)
    out.print(f"{shown} pairs; {without} of the samples looked at have none")
    out.print(str(page), soft_wrap=True)


@contextmanager
def _asked_at(
    endpoint: str | None, model_name: str | None, calls: CallConfig, kept: Path | None
) -> Iterator[Endpoint | None]:
    """The language model of the options; None where none is named."""
    if endpoint is None:
        yield None
        return
    if model_name is None:
        raise UsageError("--endpoint needs --model-name: what the endpoint calls the model")
    from kuleshov.endpoint import Endpoint

    with Endpoint(endpoint, model_name, calls, kept) as found:
        yield found
