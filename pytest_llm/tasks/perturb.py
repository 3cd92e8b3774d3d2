"""Move the vectors that a text's tokens become, within a small ball, to where the model's answer changes most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pytest_llm.errors import MisuseError

Per: TypeAlias = Literal["sequence", "token"]
"""Over what a norm is taken: all of a text's tokens together, or each token's vector."""


@dataclass(frozen=True)
class Perturb:
    """The output is the largest divergence that was found between the answer to the text and the answer to its moved embeddings.

    Args:
        epsilon: the radius of the ball, as a share of the norm of the embeddings.
        steps: how many steps of gradient ascent look for the worst place: 1 is the fast gradient method.
        per: whether the ball is one for all of a text's tokens together, or one for each.
        seed: of the place where the search begins.
    """

    epsilon: float
    steps: int = 4
    per: Per = "sequence"
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.epsilon, bool) or not isinstance(self.epsilon, int | float):
            raise MisuseError(f"epsilon={self.epsilon!r}: expected a share of the embeddings' norm, such as 0.05")
        if not 0 < self.epsilon < math.inf:
            raise MisuseError(f"epsilon={self.epsilon!r}: expected more than 0, and a finite number")
        if not _is_whole(self.steps) or self.steps < 1:
            raise MisuseError(f"steps={self.steps!r}: expected a whole number, at least 1")
        if self.per not in ("sequence", "token"):
            raise MisuseError(f"per={self.per!r}: expected 'sequence' or 'token'")
        if not _is_whole(self.seed):
            raise MisuseError(f"seed={self.seed!r}: expected a whole number")

    @property
    def signature(self) -> str:
        """All settings that change the output."""
        return f"task:perturb|epsilon:{self.epsilon:g}|steps:{self.steps}|per:{self.per}|seed:{self.seed}"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
