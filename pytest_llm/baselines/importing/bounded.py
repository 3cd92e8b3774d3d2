"""Reading files that somebody else wrote: sizes are bounded, nothing in them is run, what is cut off or foreign is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_llm.errors import MisuseError
from pytest_llm.storage.strict_json import parsed

LARGEST_FILE = 2**31
LARGEST_PART = 2**27
"""Bytes of one line, or of one file in an archive, unpacked."""


def refuse_too_large(path: Path) -> None:
    """Refuse what is no file, is empty, or has more than 2 GiB.

    Raises:
        MisuseError: it is one of these.
    """
    if not path.is_file():
        raise MisuseError(f"there is no file {path}")
    size = path.stat().st_size
    if size == 0:
        raise MisuseError(f"{path.name} is empty: the run that should have written it may have been stopped")
    if size > LARGEST_FILE:
        raise MisuseError(f"{path.name} has {size:,} bytes; files of at most {LARGEST_FILE:,} are read")


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON lines file, each with its place for messages.

    Raises:
        MisuseError: a line that is no JSON object, or longer than 128 MiB.
    """
    refuse_too_large(path)
    with path.open("rb") as stream:
        for number in range(1, 2**62):
            line = stream.readline(LARGEST_PART + 1)
            if not line:
                return
            place = f"{path.name}, line {number}"
            if len(line) > LARGEST_PART:
                raise MisuseError(f"{place} is longer than {LARGEST_PART:,} bytes")
            if line.strip():
                yield place, json_object(place, line)


def json_object(place: str, raw: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        MisuseError: it is none, or cut off.
    """
    try:
        found = parsed(raw, finite=False)
    except ValueError as error:
        raise MisuseError(f"{place} is not JSON, or is cut off: {error!s:.200}") from None
    if not isinstance(found, dict):
        raise MisuseError(f"{place} is a {type(found).__name__}; expected an object")
    return found


def taken(place: str, holder: Any, name: str, kind: type | tuple[type, ...]) -> Any:
    """An entry that has to be there.

    Raises:
        MisuseError: it is not, or is of another kind.
    """
    if not isinstance(holder, dict) or name not in holder:
        raise MisuseError(f"{place} has no {name!r}: it is not what the harness writes today, or of another program")
    value = holder[name]
    if not isinstance(value, kind):
        raise MisuseError(f"{place}: {name!r} is {value!r:.60} ({type(value).__name__}), which was not expected")
    return value


def text_of(holder: Any, *names: str) -> str:
    """A text that may be there, below these names in turn; empty if it is not."""
    for name in names:
        holder = holder.get(name) if isinstance(holder, dict) else None
    return holder if isinstance(holder, str) else ""


def numbers(place: str, values: Any) -> list[float]:
    """Numbers, some of which may be written as texts.

    Raises:
        MisuseError: one is no number, or NaN.
    """
    try:
        found = [float(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        raise MisuseError(f"{place}: expected numbers, not {values!r:.80}") from None
    if any(math.isnan(value) for value in found):
        raise MisuseError(f"{place}: a number is NaN, which is no baseline")
    return found
