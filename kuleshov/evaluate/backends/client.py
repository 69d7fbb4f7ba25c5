"""The HTTP client of an endpoint, with the key, the proxy and the certificates of the environment.

What stands in the way of all calls is refused before the first one, by the name of the variable:

    OPENAI_API_KEY            with characters that no key has
    ALL_PROXY, HTTP_PROXY ... a proxy that cannot be used, where it would be for this address
    SSL_CERT_FILE             a file that is not there, or holds no certificates
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from kuleshov.errors import UsageError
from kuleshov.evaluate.config import CallConfig

if TYPE_CHECKING:
    import httpx2

_SHORTEST_SECRET = 4
"""A key of fewer characters is a placeholder, which would be found in the middle of words."""


class Key:
    """A key from the environment: it goes into a header, and into no message.

    Args:
        variable: the environment variable; white space around its value is no part of the key.

    Raises:
        UsageError: it holds characters that no header can hold. It is not shown.
    """

    def __init__(self, variable: str) -> None:
        key = os.environ.get(variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise UsageError(
                f"the environment variable {variable} holds characters that no key has, such as "
                "typographic quotes or a line break in its middle; set it to the key alone"
            )
        self.variable = variable
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        forms = {key, repr(key)[1:-1], json.dumps(key)[1:-1], quote(key, safe="")}
        self._forms = sorted((f for f in forms if len(f) >= _SHORTEST_SECRET), key=len)

    def masked(self, text: str) -> str:
        """A text without the key, as it is or as it stands in JSON, code or an address."""
        for form in reversed(self._forms):
            text = text.replace(form, "***")
        return text


def client(address: str, config: CallConfig, key: Key) -> httpx2.Client:
    """What calls an address.

    Raises:
        UsageError: httpx2 is not installed, or an environment variable keeps it from being built.
    """
    try:
        import httpx2
    except ImportError as error:
        raise UsageError(
            "endpoints need httpx2, which is not installed; pip install 'kuleshov[endpoint]'"
        ) from error
    try:
        certificates = httpx2.create_ssl_context()
    except OSError as error:
        names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
        set_to = next((f"{n}={os.environ[n]}" for n in names if os.environ.get(n)), "none is set")
        if error.filename and error.filename == (log := os.environ.get("SSLKEYLOGFILE")):
            raise UsageError(
                f"the keys of connections cannot be written to SSLKEYLOGFILE={log}: "
                f"{error.strerror}; unset that environment variable"
            ) from error
        raise UsageError(
            f"no certificates can be read ({set_to}): {error.strerror or error}; unset that "
            "environment variable, or set SSL_CERT_FILE to a file of certificates"
        ) from error

    def built(proxy: str | None, trust_env: bool) -> httpx2.Client:
        return httpx2.Client(
            timeout=config.timeout_seconds,
            headers=key.headers,
            # As many are under way as there are threads; one that is given up may hold another.
            limits=httpx2.Limits(
                max_connections=None, max_keepalive_connections=config.concurrency
            ),
            verify=certificates,
            proxy=proxy,
            trust_env=trust_env,
        )

    broken = (ImportError, ValueError, httpx2.InvalidURL)
    try:
        httpx2.URL(address)
    except broken as error:
        raise UsageError(f"endpoint is {address!r}, which is no address: {error}") from error
    variable, proxy = _proxy(address)
    try:
        if proxy and (urlsplit(proxy).port == 0 or not urlsplit(proxy).hostname):
            raise ValueError("no host")
        try:
            return built(None, True)
        except broken:
            # Proxies for other addresses are built as well; one of those may be at fault.
            return built(proxy, False)
    except broken as error:
        scheme = urlsplit(proxy or "").scheme
        remedy = "pip install socksio, " if isinstance(error, ImportError) else ""
        raise UsageError(
            f"{variable} names a proxy that cannot be used ({scheme}://...); {remedy}unset it, "
            f"take an http proxy, or add {urlsplit(address).hostname} to NO_PROXY"
        ) from error


def failures() -> tuple[type[Exception], ...]:
    """What a call may raise where the endpoint, or what is between, is at fault."""
    import httpx2

    return httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError


def _proxy(address: str) -> tuple[str, str | None]:
    """(where it is set, the proxy) for an address; None where it is called without."""
    parts = urlsplit(address)
    if proxy_bypass(parts.netloc):
        return "", None
    found = getproxies()
    for kind in (parts.scheme, "all"):
        if proxy := found.get(kind):
            names = (f"{kind}_proxy", f"{kind}_proxy".upper())
            variable = next((name for name in names if os.environ.get(name)), "")
            where = f"the environment variable {variable}" if variable else "this system"
            return where, proxy if "://" in proxy else f"http://{proxy}"
    return "", None
