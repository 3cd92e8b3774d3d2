"""Numbers and texts as JSON can hold them, and back, exactly.

JSON has no NaN and no infinity: they become the strings "NaN", "Infinity", "-Infinity". Numbers without a fraction are written as
whole ones, which is shorter and as exact up to 2⁵³; all others with the digits that tell them from every other float64.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FloatArray: TypeAlias = "NDArray[np.float64]"
Number: TypeAlias = "int | float | str"

SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_EXACT = 2**53


def number(value: float) -> Number:
    """As it is written."""
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    whole = value.is_integer() and abs(value) < _EXACT and not (value == 0 and math.copysign(1, value) < 0)
    return int(value) if whole else value


def numbers(values: FloatArray | Iterable[float]) -> list[Any]:
    """An array, of one dimension or two, as it is written."""
    listed = values.tolist() if hasattr(values, "tolist") else list(values)
    return [numbers(value) if isinstance(value, list) else number(value) for value in listed]


def encoded(content: Any) -> str:
    """JSON on one line, in which no text is broken: halves of surrogate pairs, which UTF-8 cannot hold, are escaped.

    What `json.loads` makes of it is written as the same text again.
    """
    return unbroken(json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def unbroken(text: str) -> str:
    """A text of JSON that UTF-8 can hold."""
    return re.sub("[\ud800-\udfff]+", _paired_or_escaped, text)


def _paired_or_escaped(halves: re.Match[str]) -> str:
    """Two halves that stand side by side are one character, for whoever reads JSON."""
    paired = halves.group().encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half.group()):04x}", paired)
