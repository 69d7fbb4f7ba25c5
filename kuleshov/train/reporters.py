"""Who is told of what training logs, through the trainers' own `report_to`. Imports no torch.

Where a service keeps its project and its key is its own matter (`WANDB_PROJECT`, `wandb login`,
`TRACKIO_PROJECT`, ...). Any other that transformers knows: `grpo.extra: {report_to: [mlflow]}`.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from kuleshov.errors import UsageError

# By the trainers' names, with the package that each one needs.
REPORTERS = {"tensorboard": "tensorboard", "trackio": "trackio", "wandb": "wandb"}


def check_installed(names: Iterable[str]) -> None:
    """See before a model is loaded that each reporter can be.

    Raises:
        UsageError: the package of one is missing.
    """
    for name in names:
        if find_spec(REPORTERS[name]) is None:
            raise UsageError(
                f"train.report_to has {name}, whose package is not installed; "
                f"pip install {REPORTERS[name]}, or leave it out"
            )
