"""The table of what suites counted."""

from __future__ import annotations

import pytest

from tests.reliability.counts import Count, Counter, counts_in, table


def test_counts_travel_on_reports_and_are_a_table_by_deed() -> None:
    said: list[tuple[str, object]] = [("other", 1)]
    counter = Counter(said)
    counter("run record", "mutations", {"refused": 187, "equal in meaning": 13, "passed silently": 0})
    counter("cache", "kills", {"resumed": 50, "wrong": 0})
    report = pytest.TestReport("id", ("", 0, ""), {}, "passed", None, "call", user_properties=said)
    assert table(counts_in([report])) == [
        "cache:      50 kills: 50 resumed, 0 wrong",
        "run record: 200 mutations: 187 refused, 13 equal in meaning, 0 passed silently",
    ]


def test_what_several_tests_counted_of_one_thing_is_added_up() -> None:
    counts = [Count("run", "kills", {"resumed": 5, "lost": 0}), Count("run", "kills", {"resumed": 2, "lost": 1})]
    assert table(counts) == ["run: 8 kills: 7 resumed, 1 lost"]


def test_what_was_counted_is_the_sum_of_what_came_of_it() -> None:
    assert Count("disk full", "runs", {"told": 3, "lost": 0}).total == 3
