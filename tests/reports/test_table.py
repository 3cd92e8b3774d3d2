"""The table of the terminal: aligned, as wide as it may be, and safe to print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pytest_llm.effort import Effort
from pytest_llm.reports.table import Line, shortened, table
from tests.table_rows import failed, row

ROWS = [
    row("tests/test_prose.py::test_novel", effort=Effort(1.234, new=120, cached=880)),
    failed("tests/test_prose.py::test_letters", interval="7.5 to 8.5", effort=Effort(0.01, known=31)),
]


def text(line: Line) -> str:
    return line.first + line.rest


def shown(width: int | None, *rows: object) -> list[str]:
    return [text(line) for line in table(list(rows) or ROWS, width)]  # type: ignore[arg-type]


def test_all_of_it() -> None:
    assert shown(None) == [
        "verdict  metric      value  95 % interval  claim    to spare   n  seconds  answers              test",
        "PASSED   perplexity      8  7 to 9         below 9         1  31     1.23  120 new, 880 cached  "
        "tests/test_prose.py::test_novel",
        "FAILED   perplexity      8  7.5 to 8.5     below 7        −1  31     0.01  31 known             "
        "tests/test_prose.py::test_letters",
    ]


def test_columns_that_are_empty_throughout_are_left_out() -> None:
    head, *_ = shown(None, row(interval="", effort=None))
    assert head.split("  ") == ["verdict", "metric", "", "", "value", "claim", "", "to spare", " n", "test"]


def test_where_it_is_narrow_what_matters_least_goes_first() -> None:
    titles = ["answers", "seconds", "n", "95 % interval", "claim", "to spare"]
    gone: list[str] = []
    for width in range(140, 40, -1):
        head, *_ = shown(width)
        gone += [title for title in titles if title not in head.replace(" n ", "  n  ") and title not in gone]
    assert gone[0] == "answers"
    assert gone.index("n") < gone.index("claim") < gone.index("to spare")
    assert all(title in head for title in ("verdict", "metric", "value", "test"))


ANY = st.text(max_size=60)


@given(st.lists(st.tuples(ANY, ANY, ANY), min_size=1, max_size=4), st.integers(40, 200))
def test_whatever_names_there_are_it_is_aligned_and_no_wider_than_it_may_be(
    names: list[tuple[str, str, str]], width: int
) -> None:
    rows = [row(test, metric=metric, claim=claim, value="≈8.25≈") for test, metric, claim in names]
    _, *lines = shown(width, *rows)
    assert len(lines) == len(rows)
    assert len({cell_len(line[: line.index("≈8.25≈")]) for line in lines}) == 1
    assert all(cell_len(line) <= width and line.isprintable() for line in lines)


@pytest.mark.parametrize("name", ["评估_测试", "e\u0301te", "👍 up", "plain"])
def test_wide_characters_take_their_two_cells(name: str) -> None:
    head, line = shown(None, row(metric=name))
    assert cell_len(head[: head.index("value") + 5]) == cell_len(line[: line.index(" 8 ") + 2])


def test_no_name_breaks_a_line_or_sends_a_command() -> None:
    _, line = shown(None, row("t.py::a[\x1b[31m]", metric="a\nb", claim="below \x07"))
    assert "a\\nb" in line
    assert "t.py::a[\\x1b[31m]" in line
    assert "\\x07" in line


def test_the_first_cell_is_coloured_by_how_it_ended() -> None:
    lines = table([row(), row(warns=True), failed()], 80)
    assert [sorted(line.markup) for line in lines] == [["bold"], ["green"], ["yellow"], ["bold", "red"]]


def test_ids_lose_their_middle() -> None:
    assert shortened("tests/test_prose.py::test_novel", 20) == "tests/…y::test_novel"
    assert shortened("short", 20) == "short"
    assert cell_len(shortened("测" * 30, 20)) == 20
