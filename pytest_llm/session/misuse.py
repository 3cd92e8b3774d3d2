"""Misuse that the core finds, as pytest's own error about how it was called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pytest_llm.errors import MisuseError


@contextmanager
def misuse_of(origin: str) -> Iterator[None]:
    """Make a usage error of each `MisuseError` of a `with` block.

    Args:
        origin: what was misused: an option, an ini key, a test and its marker.
    """
    try:
        yield
    except MisuseError as error:
        raise pytest.UsageError(f"{origin}: {error}") from None
