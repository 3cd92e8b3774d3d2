"""What there is to know of a reader to fuzz it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_llm.errors import MisuseError


def _nothing() -> Mapping[str, bytes]:
    return {}


@dataclass(frozen=True)
class Parser:
    """A reader of ours."""

    read: Callable[[Path], Any]
    """Of the input, which is a file."""
    seeds: Callable[[], Sequence[bytes]]
    """Sound inputs."""
    file: str = "input.txt"
    """What the input is called."""
    allowed: tuple[type[Exception], ...] = (MisuseError,)
    """What it may raise for an input that is not sound."""
    names_file: bool = True
    """Whether messages have to say which file they are about."""
    beside: Callable[[], Mapping[str, bytes]] = _nothing
    """Files that have to be there besides."""
    write: Callable[[Any], bytes] | None = None
    """Of what was read; what it writes is read as the same value."""


def of_text(parse: Callable[[str], Any]) -> Callable[[Path], Any]:
    """A reader of a file's text; what is no UTF-8 becomes lone surrogates, as the command line has them."""
    return lambda path: parse(path.read_bytes().decode("utf-8", "surrogateescape"))


def texts(*given: str) -> Callable[[], Sequence[bytes]]:
    """Seeds."""
    return lambda: [one.encode() for one in given]
