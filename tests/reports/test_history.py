"""The course of a gate, in lines."""

from __future__ import annotations

import math

from pytest_llm.history.series import series_of
from pytest_llm.reports.history import lines, sparkline
from tests.simulated_history import gate, nights, run


def test_a_drift_in_lines() -> None:
    (one,) = series_of(nights([40 + 0.5 * night for night in range(8)]))
    assert list(lines(one)) == [
        "t.py::test_it  perplexity  (float32 on cpu, n = 31)",
        "  ▁▂▃▄▅▆▇█  40 → 43.5, 8 runs, 2026-01-01 to 2026-01-08, limit 60",
        "  per run   0.5 (0.5 to 0.5, 95 %)",
        "  drift     worse by 3.5 over 8 runs, step by step (p = 5e-05), and no run failed",
    ]


def test_a_change_in_lines() -> None:
    runs = nights([40.0, 40.1, 39.9, 40.0, 40.1, 39.9, 45.0, 45.1, 44.9, 45.0, 45.1, 44.9], limit=None)
    runs[-1] = run(12, gate(44.9, limit=None, passed=False, outcome="regressed", model="tuned"))
    (one,) = series_of(runs)
    _, course, change, slope, models = lines(one)
    assert course.endswith("40 → 44.9, 12 runs, 2026-01-01 to 2026-01-12, 1 failed")
    assert change.startswith("  change    worse: 40 → 45 from 2026-01-07 on, commit 0000000000 (p = 0.00")
    assert slope.endswith("95 %) since 2026-01-07")
    assert models == "  models    tiny → tuned"


def test_a_single_run_says_no_more_than_it_knows() -> None:
    (one,) = series_of(nights([8.0]))
    assert list(lines(one))[1:] == ["  ▁  8 → 8, 1 run, 2026-01-01, limit 60"]


def test_no_name_breaks_a_line() -> None:
    (one,) = series_of([run(1, gate(8.0, test="a\x1b[31m", metric="b\nc", device="\x07"))])
    assert all(line.isprintable() for line in lines(one))


def test_blocks_are_as_high_as_values_are_large() -> None:
    assert sparkline([1, 2, 3]) == "▁▅█" or sparkline([1, 2, 3]) == "▁▄█"
    assert sparkline([2, math.nan, 2]) == "▁ ▁"
    assert sparkline([math.inf]) == " "
    assert len(sparkline(range(100))) == 40
