"""The secret that a server wants: read from the environment when it is sent, and kept nowhere.

What a server says may repeat what it was sent. An error's text goes through `Key.cleaned`; a reply that holds the key is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from pytest_llm.errors import MisuseError
from pytest_llm.models.endpoint.address import Address

USUAL = "OPENAI_API_KEY"
_SHORTEST = 8
"""A piece of the key of this many characters is a trace of it."""
_MOST_SHOWN = 300


class Key:
    """A secret that does not show itself.

    Args:
        value: empty: there is none.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a key is not written anywhere")

    @property
    def header(self) -> dict[str, str]:
        """How it is sent."""
        return {"Authorization": f"Bearer {self._value}"} if self._value else {}

    def is_in(self, text: str | bytes) -> bool:
        """Whether a text gives it away: in full, or in a piece long enough to be one."""
        if not self._value:
            return False
        plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        size = min(len(self._value), max(_SHORTEST, len(self._value) // 2))
        return any(self._value[start : start + size] in plain for start in range(len(self._value) - size + 1))

    def cleaned(self, text: str) -> str:
        """What a stranger said, fit for a report: on one line, not long, without this key."""
        line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
        if self._value:
            line = line.replace(self._value, "[key]")
        if self.is_in(line) or self.is_in(re.sub(r"\s", "", line)):
            return "(left out: it repeats the key)"
        return line if len(line) <= _MOST_SHOWN else line[: _MOST_SHOWN - 1] + "…"


def key_for(address: Address, key_from: str | None, environment: Mapping[str, str] = os.environ) -> Key:
    """The key of a server.

    Args:
        address: of the server.
        key_from: the variable's name; None: the usual one, if it is set and nobody on the way can read it.
        environment: the variables.

    Raises:
        MisuseError: the variable that was named is not set, holds no key, or would be sent in the clear.
    """
    in_the_clear = not (address.is_encrypted or address.is_loopback)
    if key_from is None and (in_the_clear or not environment.get(USUAL)):
        return Key()
    name = key_from or USUAL
    value = environment.get(name, "").strip()
    if not value:
        raise MisuseError(f"key_from={name!r}: the environment has no such variable, or it is empty")
    if in_the_clear:
        raise MisuseError(
            f"the key in {name} would go to {address.host} unencrypted, for all on the way to read: use https://, or a tunnel "
            f"to this machine"
        )
    if not (value.isascii() and value.isprintable() and " " not in value):
        raise MisuseError(
            f"the environment variable {name} holds no key: there are characters in it that no header can have"
        )
    if value in address.base or value in (address.model or "") or value in (address.revision or ""):
        raise MisuseError(f"the address of the server has the key of {name} in it: {name} alone is enough")
    return Key(value)
