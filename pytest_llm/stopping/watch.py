"""What the units seen so far say of a question, and whether that is enough.

*certain*: the units left, at their best or at their worst, cannot bring the total to the other side.

*sequential*: the verdict on all units would be another one with probability 1 % at most, whenever one looks. A failure is declared
on the evidence of an asymptotic confidence sequence; a pass only on that of a bet, which is exact and needs to know how bad
an unseen unit can be at the worst, because the former is blind to documents that are wrecked and rare. Where that is known of
both sides (shares of right answers) both are bets, or the exact distribution of right ones among those left.

Neither decides on fewer than 300 units. Of a data set of which one unit in a hundred (by size) is wrecked, whatever its
damage, 300 draws hold at least one with probability 95 %; and one that exceeds the cap rules an early pass out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from pytest_llm.limit import Limit
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.sequential.drawing import draw
from pytest_llm.stopping.look import ERROR, Look
from pytest_llm.stopping.question import Question
from pytest_llm.tolerance import Tolerance

FEWEST = 300
"""No verdict rests on fewer units, and data sets that have no more are always seen in full."""
BLOCK = 64
"""Units between two looks, at the least."""
_GROWTH = 16

Decision: TypeAlias = Literal["passes", "fails", "undefined"]
"""undefined: a statistic is not finite, and no other unit can mend that."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a measurement came to be of a part of the data."""

    decided: Decision
    claim: Limit | Tolerance | None
    """What was decided: by no other claim can the measurement be judged. None: it was read from a record, and by none at all."""
    evaluated: int
    units: int
    """How many documents, or clusters of them, there are."""
    share: float
    """Of the size of all units, what was seen."""
    low: float
    high: float
    """Where the value on all units lies, at this time of stopping or any other, each side with confidence 1 − `error`."""
    baseline: float | None = None
    """The baseline's value on all units, where it is compared with one."""
    error: float = ERROR
    """How often, at most, a full run would decide otherwise."""

    @property
    def sentence(self) -> str:
        """When it stopped, and what of it."""
        doubt = "in no case" if self.error == 0 else f"with probability {self.error:.0%} at most".replace("%", " %")
        return (
            f"after {self.evaluated} of {self.units} documents ({self.share:.0%} of their length): "
            f"a full run would disagree {doubt}"
        ).replace("% of", " % of")

    @property
    def certainty(self) -> str:
        """How sure the interval is."""
        return "certain" if self.error == 0 else f"{100 * (1 - self.error):g} % each side, whenever it stops"


@dataclass(frozen=True, eq=False)
class Watch:
    """Looks at a gate's units as they come in, in an order of its own."""

    question: Question
    mode: Literal["certain", "sequential"]
    claim: Limit | Tolerance
    seed: str
    restate: Callable[[float], float]
    """From a quotient to the metric's value."""
    may_pass: bool = True
    may_fail: bool = True
    tolerated: float | None = None
    """Given: a failure also takes proof that text like this is worse than the baseline at all; by how much it may be."""
    alpha: float = 0.01
    """Of that proof."""
    baseline: float | None = None

    @cached_property
    def order(self) -> list[int]:
        """Which units are asked about, one after the other."""
        return draw(self.question.names, self.question.sizes, self.seed)

    def blocks(self) -> Iterator[list[int]]:
        """The units in portions, which grow with what was seen, so that looking costs little."""
        begin = 0
        while begin < len(self.order):
            end = begin + max(BLOCK, begin // _GROWTH)
            yield self.order[begin:end]
            begin = end

    def look(self, sums: FloatArray) -> Stopped | None:
        """Whether it is decided; None: go on.

        Args:
            sums: `[n, 2]`: numerators and denominators of the first n units of the order.
        """
        n, units = len(sums), len(self.order)
        if not np.isfinite(sums).all():
            return self._stopped("undefined", n, math.nan, math.nan)
        if n < FEWEST or n >= units:
            return None
        look = Look(self.question, self.order, sums)
        found = look.certain() if self.mode == "certain" else look.sequential(self.tolerated, self.alpha)
        if found is None or not (self.may_pass if found.decided == "passes" else self.may_fail):
            return None
        low, high = map(self.restate, look.quotients(found))
        return self._stopped(found.decided, n, low, high)

    def _stopped(self, decided: Decision, n: int, low: float, high: float) -> Stopped:
        sizes = self.question.sizes
        share = float(sizes[self.order[:n]].sum() / sizes.sum())
        error = ERROR if self.mode == "sequential" else 0.0
        return Stopped(decided, self.claim, n, len(self.order), share, low, high, self.baseline, error)
