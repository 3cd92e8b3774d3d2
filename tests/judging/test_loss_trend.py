"""What is said of a loss that should fall: pass, failure, no number, and the evidence."""

from __future__ import annotations

import math

import pytest

from pytest_llm import Outcome
from pytest_llm.judging.loss_trend import judge_losses
from pytest_llm.reports.properties import properties


def test_a_loss_that_falls_passes() -> None:
    verdict = judge_losses([3.0, 2.5, 2.0, 1.5, 1.0, 0.5], alpha=0.01)
    assert verdict.outcome is Outcome.PASSED
    assert verdict.sentence == "the loss falls: -0.5 a step over 6 steps, from 3 to 0.5 (p = 0.0014, below 0.01)"
    assert verdict.measurement.value == -0.5


def test_a_loss_that_rises_fails_and_says_its_course() -> None:
    verdict = judge_losses([0.5, 1.0, 1.5, 2.0, 2.5, 3.0], alpha=0.01)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.sentence == "the loss does not fall: 0.5 a step over 6 steps, from 0.5 to 3 (p = 1, not below 0.01)"
    assert str(verdict).splitlines()[1:5] == [
        "  loss            0.75  median of steps 1 to 2",
        "                  1.75  median of steps 3 to 4",
        "                  2.75  median of steps 5 to 6",
        "  slope      0.5 a step, the median over all pairs of steps",
    ]
    assert "to mend" in str(verdict)


def test_a_loss_that_does_not_fall_far_enough_fails() -> None:
    losses = [3.0, 2.5, 2.0, 1.5, 1.0, 0.5]
    assert judge_losses(losses, alpha=0.01, level=0.76).passed
    verdict = judge_losses(losses, alpha=0.01, level=0.7)
    assert verdict.outcome is Outcome.FAILED
    assert (
        verdict.sentence
        == "the loss falls, but not below 0.7: it is 0.75 in the last third of its steps, 0.05 too much"
    )
    assert verdict.held_to == "falling (p below 0.01) to below 0.7"


def test_a_loss_that_stays_fails() -> None:
    assert judge_losses([0.7] * 8, alpha=0.01).sentence == (
        "the loss does not fall: it is 0.7 at all 8 steps (p = 1, not below 0.01)"
    )


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_an_error(broken: float) -> None:
    verdict = judge_losses([3.0, 2.0, broken, 1.0, 0.5], alpha=0.01)
    assert verdict.outcome is Outcome.ERROR
    assert verdict.sentence == f"the loss cannot be told to fall: it is {broken} at step 3 of 5"
    assert math.isnan(verdict.measurement.value)
    assert "  slope " not in str(verdict)


def test_reports_see_it_as_they_see_a_metric() -> None:
    assert ("llm_loss_slope", -0.5) in properties(judge_losses([2.5, 2.0, 1.5, 1.0, 0.5], alpha=0.01))
