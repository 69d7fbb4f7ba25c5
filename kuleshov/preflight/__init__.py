"""Whether a training would go well, found with the real model, set and machine within minutes.

    findings.py   what each check says, the verdict, and both as text and as JSON
    subject.py    the model, its processor and some samples of the set, as training has them
    checks.py     what is looked at, in the order in which it is
    step.py       one real step of GRPO, with its seconds and memory

Nothing of it is written anywhere, and the model on disk stays as it is.
"""

from __future__ import annotations

import time
from pathlib import Path

from kuleshov.errors import KuleshovError
from kuleshov.preflight.checks import CHECKS
from kuleshov.preflight.findings import SKIPPED, WRONG, Found, Report
from kuleshov.preflight.subject import Subject
from kuleshov.progress import Progress
from kuleshov.train.config import TrainConfig

__all__ = ["Report", "Subject", "look", "preflight"]

SECONDS = 120.0
"""After so long no further check begins; ours."""


def preflight(
    model: str,
    data: Path,
    config: TrainConfig,
    seconds: float = SECONDS,
    progress: Progress = lambda *_: None,
) -> Report:
    """Look at a model and a sample set before a training.

    Args:
        model: name or path for `from_pretrained`.
        data: the folder that `kuleshov make` wrote.
        config: the settings that the training would have.
        seconds: after which no further check begins.
        progress: told of every check.

    Returns:
        What was found. A model that cannot be loaded is a finding too.

    Raises:
        UsageError: the set cannot be read, or has no samples in its train split.
    """
    began = time.monotonic()
    progress("preflight", 0, len(CHECKS) + 1)
    samples = Subject.samples_of(data)
    try:
        subject, loaded = Subject.load(model, data, samples, config)
    except KuleshovError as error:
        return Report(
            model, str(data), [Found("model", WRONG, str(error))], time.monotonic() - began
        )
    progress("preflight", 1, len(CHECKS) + 1)
    rest = look(subject, seconds - (time.monotonic() - began), progress)
    return Report(model, str(data), [loaded, *rest], time.monotonic() - began)


def look(
    subject: Subject, seconds: float = SECONDS, progress: Progress = lambda *_: None
) -> list[Found]:
    """All checks of a model that is there already.

    Args:
        subject: the model with its processor and samples.
        seconds: after which no further check begins.
        progress: told of every check.
    """
    began = time.monotonic()
    findings: list[Found] = []
    for number, (name, check) in enumerate(CHECKS.items(), 2):
        here = time.monotonic()
        left = seconds - (here - began)
        if left <= 0:
            text = f"not looked at: {seconds:.0f} s were over; give more (--seconds)"
            found = Found(name, SKIPPED, text)
        elif missing := [n for n in check.needs if any(f.name == n and f.stops for f in findings)]:
            found = Found(name, SKIPPED, f"not looked at, as {missing[0]} is wrong")
        else:
            found = subject.tried(name, check.run, left)
        findings.append(found.after(time.monotonic() - here))
        progress("preflight", number, len(CHECKS) + 1)
    return findings
