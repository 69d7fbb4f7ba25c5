"""What commands need that train or ask a model here."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from kuleshov.errors import UsageError


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
