"""How long kernels take, to choose among those that compute the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

_ROUNDS = 9

Name = TypeVar("Name")


def seconds(calls: Mapping[Name, Callable[[], object]]) -> dict[Name, float]:
    """The fastest of a few rounds of each, in turn: what is slower than it was disturbed, and what disturbs one disturbs all."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - began)
    return best
