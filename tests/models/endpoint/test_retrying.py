"""When a question is asked again."""

from __future__ import annotations

from datetime import datetime, timezone
from random import Random

import pytest

from pytest_llm.models.endpoint.retrying import backoff, is_worth_it, wait_of


def test_only_what_may_pass_is_worth_another_try() -> None:
    assert [status for status in range(400, 600) if is_worth_it(status)] == [
        408,
        425,
        429,
        500,
        *range(502, 600),
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Thu, 26 Nov 2026 10:00:30 GMT", 30.0),
        ("Thu, 26 Nov 2026 09:00:00 GMT", 0.0),
    ],
)
def test_what_a_server_asks_to_wait(given: str, expected: float | None) -> None:
    now = datetime(2026, 11, 26, 10, 0, 0, tzinfo=timezone.utc)

    assert wait_of({"retry-after": given}, now) == expected


def test_waits_grow_to_a_minute_and_are_drawn_from_all_of_it() -> None:
    random = Random(1)
    drawn = {failed: [backoff(failed, random) for _ in range(500)] for failed in (1, 2, 3, 10, 1000)}

    for failed, most in ((1, 1.0), (2, 2.0), (3, 4.0), (10, 60.0), (1000, 60.0)):
        assert 0 <= min(drawn[failed]) < 0.05 * most
        assert 0.95 * most < max(drawn[failed]) <= most
