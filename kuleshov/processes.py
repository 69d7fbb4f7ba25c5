"""The processes that `torchrun` or `accelerate launch` starts, which do one thing together.

Needs no torch where there is one process only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from kuleshov.errors import KuleshovError, UsageError

T = TypeVar("T")


def launched() -> int:
    """How many a launcher has started; 1 without one.

    Raises:
        UsageError: the launcher's variable is no number.
    """
    text = os.environ.get("WORLD_SIZE") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(
            f"the environment variable WORLD_SIZE is {text!r}; allowed: the number of processes. "
            "Unset it to start without a launcher"
        )
    return int(text)


def state() -> Any:
    """Accelerate's `PartialState`, joined to the others.

    On a machine without accelerators accelerate 1.15 takes each process of a launcher for the only
    one, unless it is told that the CPU is meant: each would then write all files, and train alone.

    Raises:
        UsageError: the processes are not joined.
    """
    import torch
    from accelerate import PartialState

    if launched() > 1 and not torch.accelerator.is_available():
        os.environ["ACCELERATE_USE_CPU"] = "true"  # which transformers' trainers read
        joined = PartialState(cpu=True)
    else:
        joined = PartialState()
    if joined.num_processes != launched():
        raise UsageError(
            f"a launcher has started {launched()} processes, and {joined.num_processes} are "
            "joined: each would do all of the work. Start the command with torchrun or accelerate "
            "launch for the devices of this machine, or as one process"
        )
    return joined


def decided(decide: Callable[[], T]) -> T:
    """What the main process finds, or its error, in all of them: none goes on where another stops.

    Args:
        decide: called in the main process alone.

    Raises:
        KuleshovError: as it does.
    """
    from accelerate.utils import broadcast_object_list

    told: list[Any] = [None, None]
    if state().is_main_process:
        try:
            told[0] = decide()
        except KuleshovError as error:
            told[1] = error
    answer, refused = broadcast_object_list(told)
    if refused is not None:
        raise refused
    found: T = answer
    return found
