"""How far two distributions are from each other, whichever comes first.

    JS(p, q) = ½ KL(p ‖ m) + ½ KL(q ‖ m),   m = (p + q)/2        in nats, between 0 and ln 2

Lin (1991), "Divergence measures based on the Shannon entropy".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def jensen_shannon(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Of rows of log-probabilities `[n, vocabulary]` the divergence of each, in nats, float64 `[n]`."""
    import torch

    p, q = p.double(), q.double()
    middle = torch.logaddexp(p, q) - math.log(2)
    halves = [torch.where(torch.isneginf(own), 0.0, own.exp() * (own - middle)).sum(dim=-1) for own in (p, q)]
    return (halves[0] + halves[1]).clamp(min=0.0) / 2
