"""The Markdown table of verdicts."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_llm.effort import Effort
from pytest_llm.reports.markdown import MOST_BYTES, escaped, markdown
from tests.table_rows import failed, row

PASSED, FAILED = row(), failed()


def test_what_failed_comes_first_and_is_counted() -> None:
    lines = markdown([PASSED, FAILED], {}).splitlines()
    assert lines[0] == "### Language model quality: 1 of 2 gates failed"
    assert lines[4] == "| ❌ failed | perplexity | 8 | 7 to 9 | below 7 | −1 | 31 | <code>t.py::b</code> |"
    assert lines[5].startswith("| ✅ passed")


def test_where_all_passed_it_says_so() -> None:
    assert markdown([PASSED, PASSED], {}).startswith("### Language model quality: 2 gates passed")


def test_what_measuring_took_stands_below() -> None:
    rows = [row(effort=Effort(1.5, new=31)), failed(effort=Effort(0.25, known=31))]
    assert markdown(rows, {}).splitlines()[-1] == "Measuring took 1.75 s, answers: 31 new, 31 known."


def test_a_message_cannot_end_its_fence() -> None:
    text = markdown([FAILED], {"t.py::b": "before\n````\n</details><script>\nafter"})
    assert "\n`````text\nbefore\n````\n</details><script>\nafter\n`````\n" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a\\|b"),
        ("a\nb", "a b"),
        ("<script>", "&lt;script&gt;"),
        ("[x](http://y)", "\\[x\\]\\(http://y\\)"),
        ("@team *now*", "&#64;team \\*now\\*"),
        ("`code`", "\\`code\\`"),
    ],
)
def test_nothing_is_read_as_markup(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_it_stays_below_what_github_takes() -> None:
    rows = [dataclasses.replace(FAILED, test=f"t.py::{'x' * 500}{place}") for place in range(3000)]
    text = markdown(rows, {rows[0].test: "m" * MOST_BYTES})
    assert len(text.encode()) < 1_048_576
    assert "3000 of 3000" in text
