"""Relations about values of metrics: a drop beyond the bound, in the direction that is bad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pytest_llm import Example, Generate, MisuseError
from pytest_llm.adversarial.relations.generation import ConsistentGeneration
from pytest_llm.adversarial.relations.value import BoundedDrop, NoRegression
from pytest_llm.metrics.chrf import Chrf
from pytest_llm.metrics.metric import value_of_each
from pytest_llm.tasks.decoding import Decoding

EXAMPLE = Example("a", "say it", "#0", target=("the cat sat on the mat",))
SAID, HALF, NONE = "the cat sat on the mat", "the cat sat", "no"


def chrf(text: str) -> float:
    metric = Chrf()
    return float(value_of_each(metric)(np.array([metric.statistics(EXAMPLE, text)]))[0])


def test_a_drop_of_a_metric_whose_rise_is_good() -> None:
    fallen = chrf(SAID) - chrf(HALF)
    assert BoundedDrop("chrf", absolute=10).loss(EXAMPLE, SAID, HALF) == pytest.approx(fallen - 10)
    assert BoundedDrop("chrf", relative=0.5).loss(EXAMPLE, SAID, HALF) == pytest.approx(fallen - 50)
    assert BoundedDrop("chrf", absolute=10).loss(EXAMPLE, HALF, SAID) < 0


def test_a_drop_of_a_metric_whose_fall_is_good() -> None:
    assert BoundedDrop("wer", absolute=0.25).loss(EXAMPLE, SAID, HALF) == pytest.approx(0.5 - 0.25)


@pytest.mark.parametrize("bounds", [{}, {"absolute": 1, "relative": 1}, {"absolute": -1}])
def test_one_bound_has_to_be_given(bounds: dict[str, Any]) -> None:
    with pytest.raises(MisuseError, match="expected one of them"):
        BoundedDrop("chrf", **bounds)


class Echo:
    """Writes what it always writes, or a piece of it where the prompt shouts."""

    def __init__(self, shouted: str) -> None:
        self.shouted = shouted

    def generate(self, prompts: Sequence[str], decoding: Decoding) -> list[str]:
        del decoding
        return [self.shouted if prompt.isupper() else SAID for prompt in prompts]


def test_a_new_model_is_held_against_the_old_one_on_the_same_edits() -> None:
    relation = NoRegression(Echo(HALF), "chrf", margin=5.0)
    fitted = relation.fitted([EXAMPLE])
    clean = list(fitted.outputs(Echo(NONE), [EXAMPLE]))
    [(loss, shown)] = fitted.judged(Echo(NONE), [EXAMPLE], clean, ["SAY IT"])
    assert loss == pytest.approx(chrf(HALF) - chrf(NONE) - 5)
    assert shown["new"]["output"] == NONE
    assert shown["old"]["output"] == HALF
    [(unchanged, _)] = fitted.judged(Echo(NONE), [EXAMPLE], clean, ["say it"])
    assert unchanged == -5


def test_what_is_written_stays_the_same_or_alike() -> None:
    exact, alike = ConsistentGeneration(), ConsistentGeneration(similarity="chrf", at_least=60)
    assert exact.loss(EXAMPLE, SAID, SAID) < 0
    assert exact.loss(EXAMPLE, SAID, HALF) > 0
    assert alike.loss(EXAMPLE, SAID, HALF) == pytest.approx(60 - chrf(HALF))
    assert alike.loss(EXAMPLE, "", "") < 0
    assert alike.loss(EXAMPLE, "", HALF) > 0


@pytest.mark.parametrize("wrong", [{"at_least": 0}, {"similarity": "wer", "at_least": 0.5}])
def test_a_similarity_that_tells_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MisuseError):
        ConsistentGeneration(Generate(), **wrong)


def test_a_number_that_is_none_breaks_it() -> None:
    class Silent:
        def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
            return [[float("nan")] for _ in pairs]

    from pytest_llm.adversarial.relations.likelihood import BoundedLoss

    asked = Example("a", "a text", "#0", target="on")
    [(loss, _)] = BoundedLoss(1.0).judged(Silent(), [asked], [np.array([-1.0])], ["A text"])
    assert loss == float("inf")
