"""What the system lets a process take (`ulimit`), by its true name.

Its lack shows up as something else: a video that cannot be opened, a process that dies.
"""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator

from kuleshov.errors import UsageError

_FILES, _FILES_OF_EACH = 24, 8
"""Open files that the parent of processes needs, and more of them for each."""
_REMEDIES = {
    errno.EMFILE: "allow more open files (`ulimit -n 4096`)",
    errno.ENFILE: "close other programs, as the system has no more open files to give",
    errno.ENOMEM: "allow more memory (`ulimit -v unlimited`), or make room in it",
    errno.EAGAIN: "allow more processes (`ulimit -u`), or give fewer --workers",
    errno.EFBIG: "allow larger files (`ulimit -f unlimited`)",
}


def check(workers: int, megabytes: int) -> None:
    """See that processes can do their work.

    Args:
        workers: how many.
        megabytes: of memory that each needs at least.

    Raises:
        UsageError: they cannot.
    """
    least = _FILES + _FILES_OF_EACH * workers
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < least and hard >= least:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, hard))
    elif soft < least:
        raise UsageError(
            f"a process may have {hard} files open (`ulimit -n`), and {workers} workers need "
            f"{least}; allow more, or give fewer --workers"
        )
    if (there := memory()) is not None and there < megabytes:
        raise UsageError(
            f"a process may take {there} MB of memory (`ulimit -v`), and needs {megabytes} MB; "
            "allow more with `ulimit -v unlimited`"
        )


def memory() -> int | None:
    """Megabytes of address space that a process may take; None for any."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft >> 20


def limit_memory(megabytes: int) -> None:
    """Let this process take no more than that, nor than it may already."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = megabytes << 20
    if soft == resource.RLIM_INFINITY or wanted < soft:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, wanted if _above(hard, wanted) else hard))


def _above(limit: int, wanted: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit > wanted


def lacking(error: BaseException) -> str | None:
    """What of the system an error says is lacking, and what to do; None for any other error."""
    for one in _behind(error):
        if isinstance(one, MemoryError):
            return f"there is no more memory to be had; {_REMEDIES[errno.ENOMEM]}"
        if isinstance(one, OSError) and one.errno in _REMEDIES:
            return f"{one.strerror or one}; {_REMEDIES[one.errno]}"
        if isinstance(one, RuntimeError) and "start new thread" in str(one):
            return f"no thread can be started; {_REMEDIES[errno.EAGAIN]}"
    return None


def of_the_machine(error: BaseException) -> int | None:
    """The number of an error that a file gave, where it says nothing of the file; else None."""
    number = getattr(error, "errno", None)
    return number if number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM) else None


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
