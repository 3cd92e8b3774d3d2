"""Verdicts as one aligned table that fits a terminal: what matters least is left out first, long ids lose their middle.

Names come from users, data and models. None of them breaks a line or sends the terminal a command, and wide characters take the two
cells that they have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from pytest_llm.reports.rows import Row
from pytest_llm.wording import printable

_GAP = 2
_LEAST_NAME = 8
_LEAST_TEST = 20
"""A shorter part of a test's id says too little to give a column to."""
_LEAST_CLAIM = 11
_MOST = 28
"""Longer cells of other columns are cut, where a width is given."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: its first cell, which is coloured, and the rest."""

    first: str
    rest: str
    markup: Mapping[str, bool]
    """As `TerminalReporter.write` takes it."""


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[Row], str]
    rank: int
    """Those of rank 0 are always there; of the others the lower ones rather."""
    right: bool = False
    whole_beginning: bool = False
    """Whether its cells are cut at their end, rather than in their middle."""


_COLUMNS = (
    _Column("verdict", lambda row: row.verdict.upper(), 0),
    _Column("metric", lambda row: row.metric, 0),
    _Column("value", lambda row: row.value, 0, right=True),
    _Column("95 % interval", lambda row: row.interval, 3),
    _Column("claim", lambda row: row.claim, 2, whole_beginning=True),
    _Column("to spare", lambda row: row.spare, 1, right=True),
    _Column("n", lambda row: f"{row.n}", 4, right=True),
    _Column("seconds", lambda row: row.seconds, 5, right=True),
    _Column("answers", lambda row: row.answers, 6),
)


_VERDICT, _METRIC = 0, 1


def table(rows: Sequence[Row], width: int | None) -> Iterator[Line]:
    """A line of titles, and one for each verdict; columns that are empty throughout are left out.

    Args:
        rows: a verdict each, in the order in which they are shown.
        width: in cells; None: as wide as it takes, nothing is cut.
    """
    columns = [[column.title, *(printable(column.cell(row)) for row in rows)] for column in _COLUMNS]
    tests = ["test", *(printable(row.test) for row in rows)]
    most = [None if width is None else _MOST] * len(columns)
    widths = [_widest(cells, limit) for cells, limit in zip(columns, most, strict=True)]
    left = _widest(tests)
    shown = [place for place, cells in enumerate(columns) if any(cells[1:])]
    if width is not None:
        shown, left = _fitting(shown, widths, left, width)
    for at, row in enumerate([None, *rows]):
        cells = [_padded(columns[place][at], widths[place], _COLUMNS[place]) for place in shown]
        cells += [shortened(tests[at], left)] * bool(left)
        yield Line(cells[0], "".join(" " * _GAP + cell for cell in cells[1:]).rstrip(), _markup(row))


def _fitting(shown: list[int], widths: list[int], test: int, width: int) -> tuple[list[int], int]:
    """The columns that there is room for, and how wide that of the tests may be; names get narrower where need be."""
    kept = [place for place in shown if not _COLUMNS[place].rank]
    used = sum(widths[place] + _GAP for place in kept)
    for place in (_METRIC, _VERDICT):
        too_much = max(0, min(used - width, widths[place] - _LEAST_NAME))
        widths[place] -= too_much
        used -= too_much
    least = min(test, _LEAST_TEST)
    for place in sorted(shown, key=lambda place: _COLUMNS[place].rank):
        room = width - least - used - _GAP
        if _COLUMNS[place].whole_beginning and _LEAST_CLAIM <= room < widths[place]:
            widths[place] = room
        if place not in kept and widths[place] <= room:
            kept.append(place)
            used += widths[place] + _GAP
    left = min(test, width - used)
    return sorted(kept), left if left >= _LEAST_NAME else 0


def _markup(row: Row | None) -> Mapping[str, bool]:
    if row is None:
        return {"bold": True}
    if not row.passed:
        return {"red": True, "bold": True}
    return {"yellow": True} if row.warns else {"green": True}


def _widest(cells: Sequence[str], most: int | None = None) -> int:
    widest = max(map(cell_len, cells))
    return widest if most is None else min(widest, most)


def _padded(text: str, width: int, column: _Column) -> str:
    if column.whole_beginning and cell_len(text) > width:
        return f"{set_cell_size(text, width - 1)}…"
    text = shortened(text, width)
    space = " " * (width - cell_len(text))
    return space + text if column.right else text + space


def shortened(text: str, width: int) -> str:
    """The text, or its beginning and its end with "…" between them, in so many cells at most."""
    if cell_len(text) <= width:
        return text
    begin = (width - 1) // 3
    end = width - 1 - begin
    return f"{set_cell_size(text, begin)}…{set_cell_size(text[::-1], end)[::-1]}"
