"""A counter-example refuses what breaks nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pytest_llm import MisuseError
from pytest_llm.adversarial.counter_example import CounterExample, Finding, Queries
from pytest_llm.adversarial.edit import Edit, EditScript

SCRIPT = EditScript("a fine film", (Edit(2, 6, "fine", "fnie", "typo.swap"),))
FOUND = Finding(SCRIPT, 0.25, {"label": "negative", "probability": 0.6})
EXAMPLE = CounterExample(
    FOUND,
    FOUND,
    "invariant_label",
    {"tolerance": 0.1},
    {"label": "positive", "probability": 0.9},
    "smallest",
    Queries(20, 17, 3),
    example="#3",
    model={"name": "tiny"},
)


@pytest.mark.parametrize("loss", [0.0, -1.0, math.nan])
def test_a_loss_that_breaks_nothing_is_refused(loss: float) -> None:
    with pytest.raises(MisuseError, match="breaks nothing"):
        replace(EXAMPLE, worst=replace(FOUND, loss=loss))
