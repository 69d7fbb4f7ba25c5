"""Where work on many items runs: in this process, in processes of this machine, or on Ray.

A runner gives the results in the order of the items, whatever finishes first, and takes new items
only as results are taken, so that neither side fills the memory. An item that cannot be worked on
(the process died, took too long or too much memory) gives `Failed` in its place, and the others
go on. The same items give the same results in every runner.
"""

from __future__ import annotations

import os

from kuleshov.errors import unknown_name
from kuleshov.runners.runner import Failed, Here, Limits, Runner, was_failed

__all__ = ["RUNNERS", "Failed", "Here", "Limits", "Runner", "runner", "was_failed"]

RUNNERS = ("local", "ray")


def runner(name: str, workers: int | None = None, limits: Limits | None = None) -> Runner:
    """A runner by name.

    Args:
        name: "local", or "ray" (extra `ray`).
        workers: processes; None for one a core, of this machine or of the cluster; 0 for this
            process, without limits.
        limits: of each item; None for the defaults.

    Raises:
        UsageError: an unknown name, or Ray is not installed.
    """
    limits = limits or Limits()
    if workers == 0:
        return Here()
    if name == "local":
        from kuleshov.runners.local import Local

        return Local(workers or os.cpu_count() or 1, limits)
    if name == "ray":
        from kuleshov.runners.ray import Ray

        return Ray(workers, limits)
    raise unknown_name("runner", name, RUNNERS)
