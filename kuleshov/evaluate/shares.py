"""Questions shared out over the processes that `torchrun` or `accelerate launch` starts.

    questions   [ batch 0 ][ batch 1 ][ batch 2 ][ batch 3 ][ 4 ]
    process 0   batch 0               batch 2               4
    process 1              batch 1               batch 3

Batches are those of one process, so that the answers are too, sampled ones included. After each
round all answers go to the main process, which alone writes them down, in the order of the
batches: each question is asked once, and a run that was killed goes on as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar, final

from kuleshov.errors import UsageError
from kuleshov.processes import launched, state

T = TypeVar("T")


@final
class Shares:
    """This process among the others. Alone it has all, and needs no torch.

    Args:
        backend: name of the one that answers.

    Raises:
        UsageError: several processes are no use to it.
    """

    def __init__(self, backend: str) -> None:
        self.count, self.rank = launched(), 0
        if self.count == 1:
            return
        if backend != "transformers":
            raise UsageError(
                f"eval.backend {backend} is asked by one process, and a launcher has started "
                f"{self.count}; start the command without torchrun or accelerate launch"
            )
        self._state = state()
        self.rank = self._state.process_index

    @property
    def main(self) -> bool:
        """Whether this process writes and tells."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            self._state.wait_for_everyone()

    def mine(self, whole: Sequence[T], size: int) -> list[list[T]]:
        """The batches of this process, one for each round; the last one may be empty."""
        batches = [list(whole[i : i + size]) for i in range(0, len(whole), size)]
        own = batches[self.rank :: self.count]
        rounds = -(-len(batches) // self.count)
        return [*own, *[[] for _ in range(rounds - len(own))]]

    def of_all(self, own: Iterator[T], sizes: Sequence[int]) -> Iterator[T]:
        """What all processes have, in the order of the batches; alone as soon as it is there.

        Args:
            own: of this process.
            sizes: how many of them belong to each round.
        """
        if self.count == 1:
            yield from own
            return
        from accelerate.utils import gather_object

        for size in sizes:
            yield from gather_object(list(islice(own, size)))
