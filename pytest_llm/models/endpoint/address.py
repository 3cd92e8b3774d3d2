"""What people write in the place of a model's path: `http://host:port/v1#name`.

The fragment never goes over the wire: `#name`, `#name@revision`, and settings behind `&`, as in `#name&prefix=%3Cs%3E`. Names and
settings are percent-decoded, so a name with "@" or "&" in it can be written as well. Keys have no place here: an address stands in
command lines, reports and logs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pytest_llm.errors import MisuseError

SETTINGS = ("prefix", "key_from", "mode")
"""Of `Endpoint`, what a fragment can say too."""
KEYS = "keys come from the environment (OPENAI_API_KEY, or the variable that key_from names), never from an address"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a model is served."""

    base: str
    """To which the API's paths are added: no slash at its end."""
    model: str | None = None
    """As the server calls it; None: the only one that it has."""
    revision: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.base).netloc

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, so that nobody on the way can listen."""
        name = urlsplit(self.base).hostname or ""
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost" or name.endswith(".localhost")

    @property
    def is_encrypted(self) -> bool:
        return self.base.startswith("https://")


def is_address(source: object) -> bool:
    """Whether a model is named by where it is served."""
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def read_address(url: str) -> Address:
    """What an address says.

    Raises:
        MisuseError: no address of a server, or one with a user, a password or a query, where people put keys. The message
            does not repeat it.
    """
    parts = _split(url)
    if "@" in parts.netloc:
        raise MisuseError(f"the address of the server {parts.hostname} has a user or a password in it: {KEYS}")
    if parts.query:
        raise MisuseError(f"the address of the server {parts.netloc} has a query ('?…') in it: {KEYS}")
    named, *rest = parts.fragment.split("&")
    name, at, revision = named.rpartition("@") if "@" in named else (named, "", "")
    if at and not (name and revision):
        raise MisuseError(f"the address of the server {parts.netloc} ends with #{named}: expected #name@revision")
    settings = dict(parse_qsl("&".join(rest), keep_blank_values=True))
    if unknown := sorted(settings.keys() - set(SETTINGS)):
        raise MisuseError(
            f"the address of the server {parts.netloc} has the setting {unknown[0]!r} behind its '#': expected one of "
            f"{', '.join(SETTINGS)}"
        )
    base = f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
    return Address(base, unquote(name) or None, unquote(revision) or None, settings)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        _ = parts.port  # which is only now looked at
    except ValueError:
        raise MisuseError("this is no address of a server: expected http://host:port/v1#name") from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise MisuseError("this is no address of a server: expected http://host:port/v1#name")
    return parts
