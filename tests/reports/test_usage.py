"""What was asked of served models, in words."""

from __future__ import annotations

import pytest

from pytest_llm.reports.usage import usage_lines, usage_said
from pytest_llm.usage import Usage


@pytest.mark.parametrize(
    ("usage", "said"),
    [
        (
            Usage(120, 3, 12_345, 678),
            "120 requests (3 retried), 12,345 prompt and 678 completion tokens as the server counted them",
        ),
        (Usage(spared=1), "0 requests; 1 answer was known and not asked for"),
        (
            Usage(3, 0, 10, 2, uncounted=1),
            "3 requests, 10 prompt and 2 completion tokens as the server counted them; of 1 answer it counted no tokens",
        ),
        (Usage(2, uncounted=2), "2 requests; of 2 answers it counted no tokens"),
    ],
)
def test_words(usage: Usage, said: str) -> None:
    assert usage_said(usage) == said


def test_the_dearest_model_is_told_first_and_many_are_told_together() -> None:
    lines = usage_lines({f"m{number} at host": Usage(1, 0, number, 1) for number in range(9)})

    assert [line.split(":")[0] for line in lines] == [
        *(f"served m{number} at host" for number in (8, 7, 6, 5, 4)),
        "served 4 other models",
    ]
    assert lines[-1].endswith(": 4 requests, 6 prompt and 4 completion tokens as the server counted them")


def test_a_name_cannot_break_the_lines() -> None:
    (line,) = usage_lines({"a\n::error::b\x1b[2J": Usage(1)})
    assert line.isprintable()
