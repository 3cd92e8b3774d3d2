"""A counter-example survives JSON, is known by what it does and not by who was asked, and refuses what breaks nothing."""

from __future__ import annotations

import json
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


def test_it_survives_json() -> None:
    data = json.loads(json.dumps(EXAMPLE.as_data()))
    assert CounterExample.from_data(data) == EXAMPLE
    assert data["perturbed"] == "a fnie film"


def test_its_key_is_of_text_edits_and_relation() -> None:
    assert replace(EXAMPLE, model={}, confirmed=True, queries=Queries()).key == EXAMPLE.key
    assert replace(EXAMPLE, relation="other").key != EXAMPLE.key
    assert replace(EXAMPLE, smallest=replace(FOUND, script=EditScript("a fine film"))).key != EXAMPLE.key


@pytest.mark.parametrize("loss", [0.0, -1.0, math.nan])
def test_a_loss_that_breaks_nothing_is_refused(loss: float) -> None:
    with pytest.raises(MisuseError, match="breaks nothing"):
        replace(EXAMPLE, worst=replace(FOUND, loss=loss))


def test_data_that_describe_none_are_refused() -> None:
    with pytest.raises(MisuseError, match="not a counter-example"):
        CounterExample.from_data({"relation": "invariant_label"})
