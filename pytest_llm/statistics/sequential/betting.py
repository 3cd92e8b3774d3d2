"""A bet against a hypothesis: exact evidence that a total is below 0, whatever the rest of the population looks like.

Suppose that the total is not: Σ z ≥ 0. Then the next unit drawn has, in the mean, z/w ≥ μₜ = −Σ_seen z/Wₜ. If no unit can have more
than its cap, a player who stakes part of what he has on "less than μₜ",

    Kₜ = Kₜ₋₁ · (1 − λₜ (yₜ − μₜ))        λₜ = f/(cap − μₜ),  0 < f < 1

never owes anything and wins nothing in the long run: K is a nonnegative supermartingale that starts at 1, and reaches 1/α with
probability α at most (Ville). If it does, the hypothesis is rejected at level α. The wealth here is the mean over ten players of
different courage f. Waudby-Smith & Ramdas 2020 (arXiv 2006.04347), 2024 (JRSS-B); Shekhar et al. 2023 (arXiv 2305.06884).

Only the cap is needed: how bad a unit that was not seen yet can be at the worst. No variance is estimated and no distribution
assumed, so what is rare cannot hide: until enough is seen to rule it out, the bet is not won.
"""

from __future__ import annotations

import numpy as np

from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.sequential.drawing import left_before

FRACTIONS = np.array([0.97, 0.8, 0.6, 0.4, 0.25, 0.15, 0.08, 0.04, 0.02, 0.01])
_ROUNDING = 1e-9


def wealth(values: FloatArray, sizes: FloatArray, total: float, caps: FloatArray) -> FloatArray:
    """What is won, after each draw, of a bet against Σ z ≥ 0; 1/α of it rejects that at level α.

    Args:
        values: z/w of the units drawn so far, in order; none above its cap.
        sizes: w of these.
        total: W, the size of all units.
        caps: before each draw, the most that z/w of any unit left can be.

    Returns:
        `[draws]`; infinite from where the units left cannot bring the total to 0 even at their caps.
    """
    left = left_before(sizes, total)
    before = np.concatenate([[0.0], np.cumsum(values * sizes)[:-1]])
    fair = -before / left
    room = caps - fair
    bet = room > _ROUNDING * np.maximum(np.abs(caps), np.abs(fair))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        loss = np.where(bet, (values - fair) / room, 0.0)  # at most 1
        won = np.cumprod(1 - FRACTIONS[:, None] * loss, axis=1).mean(axis=0)
    impossible = ~bet & (room < 0)
    return np.where(np.logical_or.accumulate(impossible), np.inf, won)


def caps_left(caps: FloatArray) -> FloatArray:
    """The largest cap among a unit and those drawn after it: what is known of the next draw beforehand."""
    return np.maximum.accumulate(caps[::-1])[::-1]
