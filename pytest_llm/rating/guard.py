"""Which requests are answered: those of the browser that was given the address, from our own pages, under a name of ours."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

SAFE_METHODS = frozenset({"GET", "HEAD"})

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    # of another origin it tells nothing; "no-referrer" would make browsers send `Origin: null` with our own forms
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every response. No script but ours runs, nothing is sent or fetched elsewhere, no other page can frame or read it."""


def cookie_name(port: int) -> str:
    """Cookies do not tell ports apart, so that the name does: two servers beside each other."""
    return f"pytest_llm_rate_{port}"


def is_known(given: str | None, token: str) -> bool:
    """Whether a token is that of this server, in a time that does not tell how much of it is right."""
    return given is not None and secrets.compare_digest(given.encode(), token.encode())


def is_from_elsewhere(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something comes from a page that is not ours, or does not say where it comes from.

    Browsers say so in `Sec-Fetch-Site`, which no script can set; older ones in `Origin` alone.
    """
    if method in SAFE_METHODS:
        return False
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return True
    if origin is not None:
        return origin != f"http://{headers.get('host', '')}"
    return site is None
