"""The same work on a Ray cluster, by Ray Data.

Each Ray worker works through blocks of items with one watched process of its own (`local`), so a
video that crashes or hangs ends that process and is reported, as on one machine. What Ray itself
loses, a worker or a whole node, it does again.

Where no cluster is named (`RAY_ADDRESS`), one is started on this machine.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import Any, TypeVar, final

from kuleshov.errors import UsageError
from kuleshov.runners.local import Local
from kuleshov.runners.runner import Failed, Limits, Runner

T = TypeVar("T")
R = TypeVar("R")

_BLOCK = 32
"""Items that are done again if Ray loses the worker."""

_WINDOW = 16_384
"""Items that are with Ray at a time: what bounds the memory of the driver."""


@final
class Ray(Runner):
    """Workers of a Ray cluster.

    Args:
        workers: how many; None for one for each CPU of the cluster.
        limits: of each item.

    Raises:
        UsageError: Ray is not installed.
    """

    def __init__(self, workers: int | None, limits: Limits) -> None:
        try:
            import ray.data  # noqa: F401 - only whether it is there
        except ImportError as error:
            raise UsageError(
                f"the runner ray needs {error.name}, which is not installed; "
                "pip install 'kuleshov[ray]'"
            ) from error
        self.workers, self.limits = workers, limits
        self._started = False

    def map(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Generator[R | Failed, None, None]:
        import ray.data

        self._start()
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        workers = self.workers or int(ray.cluster_resources()["CPU"])
        items = iter(items)
        while window := list(islice(items, _WINDOW)):
            rows = [{"item": pickle.dumps(item)} for item in window]
            blocks = -(-len(rows) // _BLOCK)
            results = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
                _Worker,
                fn_constructor_args=(function, self.limits),
                batch_size=None,
                concurrency=min(workers, blocks),
                num_cpus=1,
            )
            for row in results.iter_rows():
                yield pickle.loads(row["result"])

    def close(self) -> None:
        if self._started:
            import ray

            ray.shutdown()
            self._started = False

    def _start(self) -> None:
        import ray

        if ray.is_initialized():
            return
        here = {} if os.environ.get("RAY_ADDRESS") else {"_node_ip_address": "127.0.0.1"}
        ray.init(logging_level="ERROR", log_to_driver=False, **here)
        self._started = True


class _Worker:
    """What runs in a worker of Ray; holds its process from block to block."""

    def __init__(self, function: Callable[[Any], Any], limits: Limits) -> None:
        self.function, self.local = function, Local(1, limits)

    def __call__(self, block: dict[str, Any]) -> dict[str, Any]:
        items = [pickle.loads(item) for item in block["item"]]
        return {"result": [pickle.dumps(r) for r in self.local.map(self.function, items)]}
