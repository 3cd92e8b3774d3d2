"""The smallest example of a strategy, as Hypothesis shrinks it: the same each time."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st


def smallest(strategy: st.SearchStrategy[Any], condition: Any = lambda _: True, number: int = 0) -> Any:
    """Of those that meet a condition; another `number` begins elsewhere."""
    quiet = settings(
        max_examples=2000,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    return find(strategy, condition, settings=quiet, random=random.Random(number))
