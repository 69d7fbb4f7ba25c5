"""Where work on many items runs: in this process, or in processes of this machine.

A runner gives the results in the order of the items, whatever finishes first, and takes new items
only as results are taken, so that neither side fills the memory. An item that cannot be worked on
(the process died, took too long or too much memory) gives `Failed` in its place, and the others
go on. The same items give the same results in every runner.
"""

from __future__ import annotations

import os

from kuleshov.errors import unknown_name
from kuleshov.runners.runner import Failed, Here, Limits, Runner

__all__ = ["RUNNERS", "Failed", "Here", "Limits", "Runner", "runner"]

RUNNERS = ("local",)


def runner(name: str, workers: int | None = None, limits: Limits | None = None) -> Runner:
    """A runner by name.

    Args:
        name: "local".
        workers: processes; None for one a core; 0 for this process, without limits.
        limits: of each item; None for the defaults.

    Raises:
        UsageError: an unknown name.
    """
    limits = limits or Limits()
    if workers == 0:
        return Here()
    if name == "local":
        from kuleshov.runners.local import Local

        return Local(workers or os.cpu_count() or 1, limits)
    raise unknown_name("runner", name, RUNNERS)
