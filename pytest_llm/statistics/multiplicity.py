"""Many gates in one suite: how often chance fails one of them, and Holm's correction for that.

Each gate fails an unchanged model with probability alpha at most; of M gates at least one does with `1 − (1 − α)^M` if they are
independent of each other, and with `M·α` at most whatever they have to do with each other.

Holm's step-down (1979) holds the probability that any unchanged gate fails to alpha in all, and needs no independence: with
`p₍₁₎ ≤ p₍₂₎ ≤ … ≤ p₍M₎` the adjusted p of the k-th is `max over j ≤ k of min(1, (M − j + 1)·p₍ⱼ₎)`. It rejects what Bonferroni's
`M·p < α` rejects, and more: a gate can fail by that as soon as it has run, and the step-down, once all have, only adds to the
failures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Significance:
    """What a gate knows of chance."""

    p: float
    """One-sided: how probable a drop as large is if nothing has changed."""
    alpha: float
    """How often an unchanged model may fail, before it is shared with other gates."""
    worse: bool
    """Whether the drop exceeds what is tolerated: only then can p make it fail."""
    bounded: bool = True
    """Whether alpha bounds how often it fails an unchanged model: not where proof is asked for, or single examples count."""


def any_fails(alphas: Sequence[float]) -> tuple[float, float]:
    """The probability that at least one of some gates fails an unchanged model: if they are independent, and at most."""
    return 1 - math.prod(1 - alpha for alpha in alphas), min(1.0, math.fsum(alphas))


def holm(p: Sequence[float], gates: int) -> list[float]:
    """Adjusted p-values, in the order given.

    Args:
        p: of the gates that ran.
        gates: how many there are in all; those that did not run count as if theirs were 1, which only makes the others larger.
    """
    adjusted, largest = [1.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, (gates - rank) * p[place]))
        adjusted[place] = largest
    return adjusted
