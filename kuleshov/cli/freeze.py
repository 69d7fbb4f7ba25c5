"""`kuleshov freeze`: a sample set to a benchmark."""

from __future__ import annotations

from typing import Annotated

import typer

from kuleshov.cli.console import err, out
from kuleshov.cli.options import Data, Videos
from kuleshov.cli.summaries import audited
from kuleshov.live import live


def freeze(
    data: Data,
    name: Annotated[str | None, typer.Option(help="Of the benchmark; the folder's.")] = None,
    samples: Annotated[int, typer.Option(help="Of each task, that the audit looks at.")] = 200,
    videos: Videos = None,
) -> None:
    """Audit a sample set and freeze it as a benchmark, which eval then verifies.

    Example: kuleshov freeze viubench
    """
    from kuleshov.audit import audit
    from kuleshov.dataset import load_summary
    from kuleshov.evaluate.bench import MANIFEST
    from kuleshov.evaluate.bench import freeze as run
    from kuleshov.owned import writing

    load_summary(data)
    with writing(data, "samples"):
        with live(err) as shown:
            findings = audit(data, samples, progress=shown.progress, workers=None)
        run(data, name or data.resolve().name, findings)
    audited([str(error) for error in findings.errors])
    out.print(str(data / MANIFEST), soft_wrap=True)
