"""What is made of all p-values of a session."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_llm.reports.gates import chance_lines, corrected, correction_lines, gates_of
from pytest_llm.reports.properties import GATE

Report = tuple[str, list[tuple[str, object]]]


def said(p: float, *, alpha: float = 0.01, worse: bool = True, bounded: bool = True, metric: str = "perplexity") -> Any:
    return GATE, json.dumps({"metric": metric, "p": p, "alpha": alpha, "worse": worse, "bounded": bounded})


def reports(*p: float, **settings: Any) -> list[Report]:
    """One test a gate."""
    return [(f"test_{place}", [said(one, **settings)]) for place, one in enumerate(p)]


def late(declared: int, *p: float, **settings: Any) -> list[str]:
    return [gate.node_id for gate, _ in corrected(gates_of(reports(*p, **settings)), declared).late]


def test_a_gate_that_the_others_make_certain_fails_late() -> None:
    """0.003 is not below 0.01/4, but the two before it leave only half of the gates: 0.003 · 2 < 0.01."""
    assert late(4, 0.0001, 0.0002, 0.003, 0.5) == ["test_2"]


def test_what_failed_in_its_test_is_not_late() -> None:
    correction = corrected(gates_of(reports(0.0001, 0.0002, 0.003, 0.5)), 4)
    assert [gate.node_id for gate, _ in correction.regressed] == ["test_0", "test_1", "test_2"]


def test_gates_that_did_not_run_leave_alpha_as_small_as_it_is() -> None:
    assert late(40, 0.0001, 0.0002, 0.003, 0.5) == []


def test_a_step_that_is_not_taken_ends_the_way_down() -> None:
    assert late(4, 0.004, 0.004, 0.004, 0.0045) == []


def test_a_drop_that_is_tolerated_never_fails() -> None:
    assert late(4, 0.0001, 0.0002, 0.003, 0.5, worse=False) == []


def test_each_gate_has_its_own_alpha() -> None:
    assert late(3, 0.0001, 0.003, 0.004, alpha=0.003) == []


def test_equal_gates_of_one_test_are_two() -> None:
    gates = gates_of([("test_it", [said(1.0), said(1.0), ("llm_verdict", "passed: …")])])
    assert len(gates) == 2
    assert len(corrected(gates, 2).adjusted) == 2


def test_of_a_test_that_ran_again_the_last_run_counts() -> None:
    (gate,) = gates_of([("test_it", [said(0.001)]), ("test_it", [said(0.3)])])
    assert gate.chance.p == 0.3


def test_more_gates_than_were_declared_is_a_complaint() -> None:
    assert (
        corrected(gates_of(reports(1, 1, 1)), 2).too_many == "3 gates ran, and llm_gates declares 2: declare them all"
    )
    assert corrected(gates_of(reports(1, 1, 1)), 3).too_many == ""


@pytest.mark.parametrize(
    ("gates", "line"),
    [
        (
            reports(*[1.0] * 12),
            "12 population gates at alpha 0.01: an unchanged model fails at least one with * ≤ 11.4 % (≤ 12 %",
        ),
        (
            [*reports(1.0, 1.0), ("x", [said(1.0, alpha=0.05)])],
            "3 population gates at alpha 0.01 to 0.05: * ≤ 6.89 % (≤ 7 %",
        ),
    ],
)
def test_the_summary_says_how_often_chance_fails_a_suite(gates: list[Report], line: str) -> None:
    (found,) = chance_lines(gates_of(gates))
    begin, end = line.split("*")
    assert found.startswith(begin)
    assert end in found


def test_of_one_gate_alpha_says_it_all() -> None:
    assert list(chance_lines(gates_of(reports(1.0)))) == []


def test_what_alpha_does_not_bound_is_said() -> None:
    gates = gates_of([*reports(1.0, 1.0), ("x", [said(1.0, bounded=False)])])
    first, second = chance_lines(gates)
    assert first.startswith("2 population gates")
    assert second == "1 more asks for proof or looks at single examples, which alpha does not bound"


def test_the_lines_of_a_correction_are_ordered_by_p() -> None:
    lines = list(correction_lines(corrected(gates_of(reports(0.5, 0.003, 0.0001, 0.0002)), 4)))
    assert lines == [
        "Holm's correction over 4 gates (llm_gates), 4 of which ran",
        "REGRESSED    perplexity, p = 0.0001, adjusted 0.0004  [test_2]",
        "REGRESSED    perplexity, p = 0.0002, adjusted 0.0006  [test_3]",
        "REGRESSED    perplexity, p = 0.003, adjusted 0.006, though its test passed: the session fails  [test_1]",
        "             perplexity, p = 0.5, adjusted 0.5  [test_0]",
    ]
