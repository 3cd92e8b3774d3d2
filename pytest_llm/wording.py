"""Numbers, texts and names as a report prints them."""

from __future__ import annotations

import math
from collections.abc import Sequence

_SNIPPET = 60


def snippet(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return repr(line if len(line) <= _SNIPPET else line[: _SNIPPET - 1] + "…")


def printable(label: str) -> str:
    """Ids come from the data: a line break or an escape sequence in one must not break the report's lines."""
    return label if label.isprintable() else repr(label)[1:-1]


def listed(labels: Sequence[str], most: int) -> str:
    """The first of them, as they can be printed."""
    return ", ".join(map(printable, labels[:most])) + ", …" * (len(labels) > most)


def counted(count: int, what: str, grouping: str = "") -> str:
    """Such as "1 gate", "2 gates", or with "," for grouping "1,234 gates"."""
    return f"{count:{grouping}} {what}{'s' * (count != 1)}"


def number(value: float) -> str:
    """Four digits, or whole where there are more before the point."""
    return f"{value:.4g}" if abs(value) < 9999.5 or not math.isfinite(value) else f"{value:,.0f}"


def distinct(value: float, limit: float) -> tuple[str, str]:
    """Both numbers, with as many digits as it takes to tell them apart."""
    if number(value) != number(limit) or value == limit:
        return number(value), number(limit)
    digits = next(d for d in range(5, 18) if f"{value:.{d}g}" != f"{limit:.{d}g}")
    return f"{value:.{digits}g}", f"{limit:.{digits}g}"


def signed(value: float) -> str:
    """The same, with a minus sign that is as wide as a digit; empty for NaN."""
    return "" if math.isnan(value) else f"{'−' if value < 0 else ''}{number(abs(value))}"
