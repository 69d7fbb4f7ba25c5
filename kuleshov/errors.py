"""The errors that kuleshov raises, sorted by who can act.

    KuleshovError
    ├── UsageError            (ValueError)    you: change the command, the recipe or the arguments
    ├── WriteError            (OSError)       you: make room, or give another folder
    ├── HubError              (OSError)       you: log in, or push again when the hub is there
    ├── UnreadableVideoError  (OSError)       nobody: the file holds no video we can decode
    ├── EndpointError         (RuntimeError)  whoever runs the endpoint: it gives no answers
    │   └── RefusedError                      whoever wrote the question: it refuses this one
    ├── MissingVideoError     (RuntimeError)  whoever wrote the trainer: the model is blind
    ├── DivergenceError       (RuntimeError)  you: lower the learning rate, or change the samples
    └── IdleError             (RuntimeError)  you: give a cold start, or change the samples

Every message says what was got, what is allowed and what to do. The command line prints a
KuleshovError as one line, without a traceback. An `UnreadableVideoError` becomes a `Skip` when
a folder is read, so that one bad file never stops the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class KuleshovError(Exception):
    """Base of all errors raised on purpose by this package."""


class UsageError(KuleshovError, ValueError):
    """What was asked for cannot be done as asked."""


class WriteError(KuleshovError, OSError):
    """A result cannot be written; what was finished before is kept."""


class HubError(KuleshovError, OSError):
    """What is finished and on disk could not be uploaded."""


class UnreadableVideoError(KuleshovError, OSError):
    """A file holds no video that can be decoded, or not the frame that was asked for."""


class EndpointError(KuleshovError, RuntimeError):
    """A model or a judge behind an address gives no answer: no score, and the run stops."""


class RefusedError(EndpointError):
    """An endpoint refuses one request, such as one that is too long, and may answer others."""


class MissingVideoError(KuleshovError, RuntimeError):
    """Video tokens reached the model without the features that belong to them."""


class DivergenceError(KuleshovError, RuntimeError):
    """Training has gone wrong: a loss or gradient is no number, or far too large."""


class IdleError(KuleshovError, RuntimeError):
    """Training teaches nothing: no answers, no variance, or no gradient from the first step on."""


def unknown_name(what: str, got: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is not in a registry: the nearest known name and all of them.

    >>> print(unknown_name("task", "jigzaw", ["jigsaw", "masked"]))
    unknown task 'jigzaw'; did you mean 'jigsaw'? Known: jigsaw, masked
    """
    known = sorted(known)
    near = get_close_matches(got, known, n=1)
    hint = f" did you mean {near[0]!r}?" if near else ""
    return UsageError(f"unknown {what} {got!r};{hint} Known: {', '.join(known)}")
