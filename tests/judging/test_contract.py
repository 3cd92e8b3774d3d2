"""What is said of an examination: pass, failure, no number; and which case stands for all."""

from __future__ import annotations

import json
import math

import pytest

from pytest_llm import Outcome
from pytest_llm.data.provenance import Provenance
from pytest_llm.judging.contract import EQUAL, Case, ContractVerdict, Examination, Tolerance, judge_contract
from pytest_llm.reports.properties import properties


def judged(*differences: float, tolerance: Tolerance | None = None, culprit: int | None = None) -> ContractVerdict:
    cases = tuple(Case(f"case {i}", x, f"case {i} differs by {x}", "a\ntext") for i, x in enumerate(differences))
    allowed = tolerance or Tolerance(0.5, "measured")
    where = (("begins", "in layer 3"),)
    return judge_contract(
        Examination("causality", "causal", cases, allowed, "2 texts", Provenance("m"), "s", culprit, where, "mend it")
    )


def test_what_differs_by_the_tolerance_passes() -> None:
    verdict = judged(0.25, 0.5)
    assert verdict.outcome is Outcome.PASSED
    assert verdict.sentence == "causal: 2 comparisons differ by at most 0.5 (tolerance 0.5)"


def test_what_exceeds_it_fails_and_the_worst_is_named() -> None:
    verdict = judged(0.75, 2.0, 0.1)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.sentence == "not causal: case 1 differs by 2.0 (tolerance 0.5)"
    assert str(verdict).splitlines()[1:] == [
        "  begins     in layer 3",
        "  differ             2  case 1  'a text'",
        "                  0.75  case 0  'a text'",
        "                   0.1  case 2  'a text'",
        "  compared   3 cases, 2 of them broken; 2 texts",
        "  tolerance  0.5: measured",
        "  model      m",
        "  signature  s",
        "  to mend    mend it",
    ]


def test_the_culprit_is_named_if_there_is_one() -> None:
    assert judged(0.75, 2.0, culprit=0).sentence == "not causal: case 0 differs by 0.75 (tolerance 0.5)"


@pytest.mark.parametrize("differences", [(math.nan,), (0.0, math.nan, 3.0), (math.nan, 0.0)])
def test_no_number_is_an_error(differences: tuple[float, ...]) -> None:
    verdict = judged(*differences, culprit=0)
    assert verdict.outcome is Outcome.ERROR
    assert not verdict.passed
    assert verdict.sentence == f"cannot be told to be causal: case {differences.index(math.nan)} differs by nan"


def test_where_nothing_is_tolerated_that_is_said() -> None:
    assert judged(0.0, tolerance=EQUAL).sentence == "causal: 1 comparison differs by nothing (they have to be equal)"
    assert "tolerance  none: the same computation" in str(judged(1e-9, tolerance=EQUAL))


def test_reports_see_it_as_they_see_a_metric() -> None:
    said = dict(properties(judged(0.75, 2.0)))
    row = json.loads(str(said.pop("llm_row")))
    assert said == {
        "llm_verdict": "failed: not causal: case 1 differs by 2.0 (tolerance 0.5)",
        "llm_causality": 2.0,
    }
    assert (row["value"], row["claim"], row["spare"], row["passed"]) == ("2", "causal", "", False)
