"""When requests are sent: each at a set time, as people do who do not know of each other.

A *closed* loop sends a request when the one before it was answered, so that a server that stalls is asked nothing while it does:
of all who would have waited, one is counted ("coordinated omission", Gil Tene, "How NOT to measure latency" and wrk2). In an
*open* loop times of sending are set beforehand. What a server looks like in the one says little of the other (Schroeder, Wierman
and Harchol-Balter 2006, "Open versus closed: a cautionary tale").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from pytest_llm.errors import MisuseError
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.counts import check_counts

Pattern: TypeAlias = Literal["poisson", "constant"]


@dataclass(frozen=True)
class Arrival:
    """Requests at set times, whether or not earlier ones have been answered.

    Args:
        rate: requests a second, on average.
        pattern: "poisson", with exponential gaps of mean `1 / rate`, as requests come that know nothing of each other; or
            "constant", with all gaps `1 / rate`.
        connections: how many requests may be under way at once; a request that finds them all taken waits, which counts.
        seed: of the gaps; the same seed gives the same times of sending.

    Raises:
        MisuseError: (a ValueError) a rate that is no positive number, an unknown pattern, no connection.
    """

    rate: float
    pattern: Pattern = "poisson"
    connections: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        rate = self.rate
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
            raise MisuseError(f"rate={rate!r}: expected requests a second, such as 2 or 0.5")
        if self.pattern not in get_args(Pattern):
            raise MisuseError(f"pattern={self.pattern!r}: expected 'poisson' or 'constant'")
        check_counts(connections=(self.connections, 1), seed=(self.seed, 0))

    @property
    def signature(self) -> str:
        drawn = f" seed {self.seed}" if self.pattern == "poisson" else ""
        return f"arrival:{self.rate:g}/s {self.pattern}{drawn}, {self.connections} at once"

    def send_times(self, count: int) -> FloatArray:
        """When so many requests are sent: seconds from the first one, which is sent at 0."""
        if self.pattern == "constant":
            return np.arange(count) / self.rate
        gaps = np.random.default_rng(self.seed).exponential(1 / self.rate, max(0, count - 1))
        return np.concatenate([np.zeros(min(count, 1)), np.cumsum(gaps)])
