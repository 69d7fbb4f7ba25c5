"""`kuleshov curate`: captioned clips to questions about transient events."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer

from kuleshov.cli.console import empty_table, err, out
from kuleshov.cli.options import REPLIES, Concurrency
from kuleshov.errors import UsageError, unknown_name
from kuleshov.evaluate.config import CallConfig
from kuleshov.live import live
from kuleshov.untrusted import json_value, read_text

_VIDEO_R1 = "video_r1"


def curate(
    clips: Annotated[Path, typer.Argument(help="Folder of captioned clips.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")],
    layout: Annotated[
        str, typer.Option(help="As published: celebv_hq, hmdb51, mm_au; or video_r1.")
    ],
    annotation: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of the collection; CLIPS for hmdb51.")
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Sees frames and describes them; not for video_r1."),
    ] = None,
    model_name: Annotated[str | None, typer.Option(help="What the endpoint calls it.")] = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Path of a clip by its annotation: {id}.mp4."),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="By which frame numbers of mm_au become seconds.")
    ] = None,
    concurrency: Concurrency = CallConfig.concurrency,
    rule: Annotated[
        str, typer.Option(help="Transient are events of at most 1 second, or of 5 frames.")
    ] = "seconds",
) -> None:
    """Make captions and questions about transient events, for make.labelled of a recipe.

    What the endpoint said is kept: a run that was stopped goes on where it was.

    Example: kuleshov curate hmdb51 -o rows --layout hmdb51 --endpoint URL --model-name NAME
    """
    from kuleshov.curate.build import Curation, write
    from kuleshov.curate.build import curate as run
    from kuleshov.curate.sources import SOURCES
    from kuleshov.curate.transient import Transient
    from kuleshov.curate.video_r1 import rows
    from kuleshov.endpoint import Endpoint
    from kuleshov.owned import writing

    read = (clips,) if annotation is None else (clips, annotation)
    with writing(output, "curated", *read):
        if layout == _VIDEO_R1:
            curated = rows(_published(annotation or clips))
        else:
            if layout not in SOURCES:
                raise unknown_name("layout", layout, [*SOURCES, _VIDEO_R1])
            source = SOURCES[layout]
            knobs = {"file": file, "fps": fps}
            given = {name: value for name, value in knobs.items() if value is not None}
            if other := set(given) - set(signature(source).parameters):
                raise UsageError(f"--{other.pop()} is not for layout {layout}; leave it out")
            if endpoint is None or model_name is None:
                raise UsageError("clips are described by a model; give --endpoint and --model-name")
            settings = Curation(transient=Transient(rule=rule))  # type: ignore[arg-type]  # is checked
            calls, kept = CallConfig(concurrency=concurrency), output / REPLIES
            with Endpoint(endpoint, model_name, calls, kept) as model, live(err) as shown:
                found = list(source(annotation or clips, **given))
                curated = run(found, clips, model.see, settings, shown.progress, model.each)
        summary = write(curated, output)
    table = empty_table("left out", "times")
    for reason, times in curated.reasons.items():
        table.add_row(reason, str(times))
    out.print(table)
    out.print(f"{summary['rows']} rows on {summary['videos']} videos in {output / 'rows.jsonl'}")
    if not curated.rows:
        raise typer.Exit(1)


def _published(path: Path) -> Sequence[Any]:
    """The rows of a file of Video-R1, which is one JSON array."""
    try:
        read = json_value(read_text(path))
    except ValueError as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(read, list):
        raise UsageError(f"{path} is no JSON array of rows, as Video-R1 publishes them")
    return read
