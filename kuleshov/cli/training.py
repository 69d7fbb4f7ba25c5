"""What commands need that train or ask a model here."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from kuleshov.errors import UsageError
from kuleshov.processes import launched


@contextmanager
def training_libraries() -> Iterator[None]:
    """Import what needs torch with a clear error if it is missing, and without chatter."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        import datasets
        import transformers
        import trl
    except ImportError as error:
        raise UsageError(
            f"this command needs {error.name}, which is not installed; "
            "pip install 'kuleshov[train]'"
        ) from error
    del trl
    # TRL 1.16 uses names that transformers 5.23 is about to rename; nothing a user can act on.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.")
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    yield


def main_process() -> bool:
    """Whether this is the process that speaks, of those that `accelerate launch` starts."""
    return os.environ.get("RANK", "0") == "0"


def one_process(command: str) -> None:
    """Refuse to do as often as there are processes what is to be done once.

    Raises:
        UsageError: a launcher has started several.
    """
    if (count := launched()) == 1:
        return
    if not main_process():
        raise typer.Exit(2)  # the main process says it
    raise UsageError(
        f"kuleshov {command} is done by one process, and a launcher has started {count}; start it "
        "without torchrun or accelerate launch. Those that share their work out are train and eval"
    )
