"""A checksum over all that an object says, by which a changed one is known; it is no signature: who means to, can make another.

It stands in the object itself, as the member `checksum`. How the text is laid out does not matter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

MEMBER = "checksum"
SHORT = 16
"""Digits of a checksum in files whose lines people read: 64 bits tell any damage."""


def checksum_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of the object, of which `checksum` is left out: its members sorted, all but ASCII escaped.

    Raises:
        ValueError: it is nested too deeply.
    """
    others = {name: value for name, value in content.items() if name != MEMBER}
    try:
        return hashlib.sha256(json.dumps(others, sort_keys=True).encode("ascii")).hexdigest()
    except RecursionError:
        raise ValueError("lists or objects are nested too deeply") from None


def sealed(content: Mapping[str, Any], *, digits: int | None = None) -> dict[str, Any]:
    """The object with its checksum, or that many digits of it."""
    return {**content, MEMBER: checksum_of(content)[:digits]}


def is_whole(content: Mapping[str, Any]) -> bool:
    """Whether the object has the checksum that belongs to it, whole or `SHORT`.

    Raises:
        ValueError: it is nested too deeply.
    """
    checksum = checksum_of(content)
    return content.get(MEMBER) in (checksum, checksum[:SHORT])
