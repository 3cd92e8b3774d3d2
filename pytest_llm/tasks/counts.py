"""How often something is done, as users write it."""

from __future__ import annotations

from pytest_llm.errors import MisuseError


def check_counts(**counts: tuple[object, int]) -> None:
    """Raise MisuseError for a number, given with the least that it may be, that is none or less."""
    for name, (value, least) in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise MisuseError(f"{name}={value!r}: expected a whole number, at least {least}")
