"""Addresses of endpoints: what is one, and when two are the same.

    http://127.0.0.1:8000/v1      an address, to which /chat/completions is added
    HTTP://127.0.0.1:8000/v1/     the same one
    http://localhost:8000/v1      another one; that the same model answers there has to be said

What can never be called is refused when settings are read, and not tried again and again.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from kuleshov.errors import UsageError

_CALLED = "/chat/completions"
_HOST = re.compile(r"[\w.\-:%]+")
_PORTS = {"http": 80, "https": 443}


def check_address(address: str, what: str) -> None:
    """Refuse what is no address, or one with a secret in it, which would be written down.

    Args:
        address: as it was given.
        what: how an error names it, such as "eval: endpoint".

    Raises:
        UsageError: it cannot be called.
    """
    parts = _split(address)
    place = address if parts is None else parts.netloc
    if "@" in place or (parts is not None and parts.query):
        raise UsageError(
            f"{what} holds a user or a query; put the key into the environment variable that "
            "calls.key_variable names"
        )
    if why := _why_not(address, parts):
        raise UsageError(
            f"{what} is {address!r}, {why}; allowed: an address such as http://127.0.0.1:8000/v1"
        )


def _why_not(address: str, parts: SplitResult | None) -> str:
    """What is wrong with an address, "" if nothing is."""
    if any(character.isspace() or not character.isprintable() for character in address):
        return "with white space or a character that cannot be seen in it"
    if parts is None:
        return "whose host or port is none"
    if parts.scheme not in _PORTS:
        return "which does not begin with http:// or https://"
    if not parts.hostname:
        return "which names no host"
    if not _HOST.fullmatch(parts.hostname):
        return "whose host holds a character that no host has"
    if "#" in address or "?" in address:
        return 'of which nothing behind "#" or "?" would be sent'
    if parts.path.rstrip("/").endswith(_CALLED):
        return f"but {_CALLED} is added to it; leave that out"
    return ""


def _split(address: str) -> SplitResult | None:
    """The parts of an address; None if its host or port is none."""
    try:
        parts = urlsplit(address)
        (parts.hostname or "").encode("idna")  # as it is looked up: no empty label, none too long
        return None if parts.port == 0 else parts
    except ValueError:
        return None


def completions(address: str) -> str:
    """What is called at an address."""
    return address.rstrip("/") + _CALLED


def canonical(address: str) -> str:
    """The one spelling of an address: host in small letters, no usual port, no slash at its end.

    >>> canonical("HTTP://LocalHost:80/v1/"), canonical("http://[::1]:8000/v1")
    ('http://localhost/v1', 'http://[::1]:8000/v1')
    """
    parts = _split(address)
    if parts is None or not parts.hostname:
        return address
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = parts.port in (None, _PORTS.get(parts.scheme))
    return f"{parts.scheme}://{host}{'' if usual else f':{parts.port}'}{parts.path.rstrip('/')}"
