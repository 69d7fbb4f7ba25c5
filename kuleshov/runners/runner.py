"""What a runner is, and the simplest one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeVar, final

from kuleshov.errors import UsageError

T = TypeVar("T")
R = TypeVar("R")


class Failed(NamedTuple):
    """In place of a result: why there is none."""

    reason: str


TOOK_TOO_LONG, DIED = "took more than", "the process that worked on it died"
NEEDS_MORE = "needs more than"
LEAST_MEGABYTES = 1024


def was_failed(reason: str) -> bool:
    """Whether this is the reason of a `Failed`: of the machine, and not of the item itself."""
    return reason.startswith((TOOK_TOO_LONG, DIED, NEEDS_MORE))


@dataclass(frozen=True)
class Limits:
    """What one item may take.

    Args:
        seconds: of time, after which its process is ended.
        megabytes: of memory of its process, in address space. Kept on Linux; macOS does not.
    """

    seconds: float = 600.0
    megabytes: int = 8192

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.megabytes < LEAST_MEGABYTES:
            raise UsageError(
                f"limits of {self.seconds} s and {self.megabytes} MB; allowed: more than 0 s, and "
                f"{LEAST_MEGABYTES} MB or more, of which the libraries take half"
            )


class Runner(ABC):
    """A `map` over many items, to be used in a `with`, which ends what it started.

    Attributes:
        retried: items that were worked on once more, as far as this process knows.
    """

    retried = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @abstractmethod
    def map(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Generator[R | Failed, None, None]:
        """The results in the order of the items. Closing the generator ends the work.

        Args:
            function: a function of a module, or a `functools.partial` of one.
            items: values that can be pickled.
        """

    def close(self) -> None:  # noqa: B027 - what has started nothing has nothing to end
        """End what was started; the next `map` starts it again."""


@final
class Here(Runner):
    """In this process, one item after the other and without limits: for tests and debuggers."""

    def map(
        self, function: Callable[[T], R], items: Iterable[T]
    ) -> Generator[R | Failed, None, None]:
        for item in items:
            yield function(item)
