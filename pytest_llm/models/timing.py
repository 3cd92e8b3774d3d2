"""How long a kernel takes, to choose among those that compute the same."""

from __future__ import annotations

import time
from collections.abc import Callable

_ROUNDS = 5


def seconds(call: Callable[[], object]) -> float:
    """The fastest of a few rounds: what is slower than it was disturbed."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best
