"""What the page says of a run: in which order, how many, what is left out."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from pytest_llm.history.series import series_of
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.limit import Limit
from pytest_llm.recording import Broken
from pytest_llm.records.excerpts import Excerpts
from pytest_llm.records.run_record import TestResult
from pytest_llm.reports.html import page as pages
from pytest_llm.reports.html.gates import MOST_ALIKE, gates_of
from pytest_llm.reports.html.page import page
from tests.reports.html.runs import against_baseline, measured, of_many, result_of, run_of
from tests.simulated_history import nights

FAILS, PASSES = judge(measured(1), Limit.below(5)), judge(measured(2), Limit.below(50))


def test_what_failed_comes_first_unless_it_was_meant_to() -> None:
    unjudged = replace(result_of("d", PASSES), verdicts=[])
    run, excerpts = run_of(
        unjudged, result_of("a", PASSES), result_of("b", FAILS, outcome="xfailed"), result_of("c", FAILS)
    )
    gates = gates_of(run, excerpts)
    assert [(gate.test[-1], gate.kind, gate.outcome) for gate in gates] == [
        ("c", "failed", "failed"),
        ("a", "passed", "passed"),
        ("b", "passed", "expected"),
        ("d", "unjudged", "not judged"),
    ]
    assert [gate.number for gate in gates] == [1, 2, 3, 4]


def test_a_row_says_what_the_verdict_said() -> None:
    (gate,) = gates_of(*run_of(result_of("a", FAILS)))
    assert (gate.value, gate.claim, gate.spare, gate.n) == (
        f"{FAILS.measurement.value:.4g}",
        "below 5",
        FAILS.spare,
        40,
    )
    assert gate.sentence == FAILS.sentence
    assert gate.forest is not None


def test_the_interval_of_a_change_is_that_of_what_is_judged() -> None:
    (gate,) = gates_of(*run_of(result_of("a", against_baseline(measured(3), 2.0))))
    assert re.fullmatch(r"[\d.]+ to [\d.]+ worse", gate.interval)


def test_of_what_a_test_measured_a_hundred_times_the_worst_stand_for_all() -> None:
    many = result_of("a", *(judge(replace(measured(1), value=float(n)), Limit.below(98.5)) for n in range(100)))
    gates = gates_of(*run_of(many))
    assert [gate.value for gate in gates] == ["99"]
    assert gates[0].sentence.endswith("(among the worst of 100 in this test)")
    few = result_of("a", *(judge(replace(measured(1), value=float(n)), Limit.below(98.5)) for n in range(MOST_ALIKE)))
    assert len(gates_of(*run_of(few))) == MOST_ALIKE


def test_a_value_that_is_no_number_is_shown_as_what_it_is() -> None:
    m = replace(measured(1), value=math.nan, estimate=None)
    text = page(*run_of(result_of("a", judge(m, Limit.below(5)))))
    assert ">nan<" in text
    assert "1 of 1 gate failed" in text


def test_without_texts_it_says_why_there_are_none() -> None:
    run, excerpts = run_of(result_of("a", FAILS))
    assert "Some text of a document." in page(run, excerpts)
    alone = page(run)
    assert "Some text of a document." not in alone
    assert "a run record keeps hashes of them" in alone


def test_tests_that_did_not_end_are_told() -> None:
    text = page(*run_of(TestResult("tests/test_it.py::test_gone", "crashed"), TestResult("tests/test_ok.py", "passed")))
    assert "not complete" in text
    assert "test_gone" in text
    assert "test_ok" not in text


def test_history_is_drawn_with_its_change_points_and_drifts() -> None:
    level = [40.0, 40.1, 39.9, 40.0, 40.1, 39.9, 45.0, 45.1, 44.9, 45.0, 45.1, 44.9]
    text = page(*run_of(), history=series_of(nights(level)))
    assert "perplexity over 12 runs, change points: 1" in text
    assert "changed with 2026-01-07 0000000" in text
    assert "worse: 40 → 45 from 2026-01-07 on" in text
    assert "History" not in page(*run_of(), history=series_of(nights([40.0])))
    assert "worse by 3.5 over 8 runs" in page(*run_of(), history=series_of(nights([40 + n / 2 for n in range(8)])))


def test_there_is_room_for_all_that_failed_and_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    run = of_many(300)
    monkeypatch.setattr(pages, "MOST_DETAILS", 60)
    text = page(*run)
    assert text.count("<details>") == 60
    assert "240 gates have a row alone" in text
    monkeypatch.setattr(pages, "MOST_BYTES", 100_000)
    text = page(*run)
    assert len(text.encode()) < 130_000
    assert "more rows are left out" in text


def test_counter_examples_of_no_gate_are_shown_apart() -> None:
    result = TestResult("tests/test_it.py::test_drawn", "failed")
    broken = Broken("Henry found", (), ("", "AssertionError: no"))
    result.excerpts = [Excerpts(broken=[(None, broken)]).line()]
    text = page(*run_of(result)).partition(">Counter-examples</h2>")[2]
    assert "the text as it is" in text
    assert re.search("<dt>observed</dt><dd[^>]*>AssertionError: no</dd>", text)


def test_lists_and_names_without_end_are_cut() -> None:
    many = [TestResult(f"tests/test_it.py::test_{n}", "not run") for n in range(2000)]
    many.append(result_of("a" * 100_000, FAILS))
    text = page(*run_of(*many))
    assert "1700 more are not listed" in text
    assert len(text) < 150_000


def test_it_carries_the_digests_of_its_script_and_style_and_no_other_way_to_run_or_style() -> None:
    text = page(*run_of(result_of("a", FAILS)))
    assert len(re.findall(r"'sha256-[A-Za-z0-9+/]{43}='", text.replace("&#39;", "'"))) == 2
    assert not re.search(r"\son\w+=|\sstyle=|https?://", text)
