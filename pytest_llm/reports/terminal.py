"""The section of the terminal summary: a table of the verdicts, what they sum up to, and what is to be said of all together.

Of a session that is asked to be quiet only what failed or warns is shown; of one that is asked for more also each sentence, the
model and the settings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llm.reports.properties import GATE, WRITTEN
from pytest_llm.reports.rows import Row, effort_of, rows_of
from pytest_llm.reports.table import Line, table
from pytest_llm.wording import counted, printable

if TYPE_CHECKING:
    from pytest_llm.reports.gates import Correction

_PLAIN: dict[str, bool] = {}


def summary_lines(
    reports: Sequence[tuple[str, list[tuple[str, object]]]],
    root: Path,
    correction: Correction | None = None,
    *,
    width: int | None = None,
    verbosity: int = 0,
    sentences: bool = False,
    failed: Collection[str] = (),
) -> Iterator[Line]:
    """The table, its sum, sentences where they are asked for, some about chance, and which baselines were written.

    Args:
        reports: pairs of a test's id and its report's user properties.
        root: what files are named from.
        correction: of the gates' p-values, where that is asked for.
        width: of the terminal, in cells; None: as wide as it takes.
        verbosity: below 0 what passed is left out; from 2 on sentence, model and settings of each are said besides.
        sentences: whether sentences are said in any case.
        failed: baselines that could not be written, as they are named from the root.
    """
    rows = [row for node_id, properties in reports for row in rows_of(node_id, properties)]
    rows.sort(key=lambda row: (not row.passed, row.warns))  # what failed comes last, which is next to the prompt
    shown = rows if verbosity >= 0 else [row for row in rows if row.warns or not row.passed]
    if shown:
        yield from table(shown, width)
    yield Line("", sum_line(rows), _PLAIN)
    said: list[str] = []
    for row in shown if sentences or verbosity > 1 else ():
        said.append(f"{row.verdict.upper():<12} {printable(row.sentence)}  [{printable(row.test)}]")
        if verbosity > 1:
            said.append(f"{'':<12} {', '.join(filter(None, map(printable, (row.model, row.device, row.signature))))}")
    kinds = {name for _, properties in reports for name, _ in properties}
    if GATE in kinds and (verbosity >= 0 or (correction is not None and correction.fails)):
        from pytest_llm.reports.gates import chance_lines, correction_lines, gates_of

        said += chance_lines(gates_of(reports)) if correction is None else correction_lines(correction)
    if WRITTEN in kinds:
        from pytest_llm.reports.written import written_lines

        said += written_lines(reports, root, failed)
    yield from (Line("", line, _PLAIN) for line in said)


def sum_line(rows: Sequence[Row]) -> str:
    """How many gates ended how, and what measuring took in all."""
    failed, warn = sum(not row.passed for row in rows), sum(row.warns for row in rows)
    counts = {"failed": failed, "suspect": warn, "passed": len(rows) - failed - warn}
    ended = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return "; ".join(filter(None, (f"{counted(len(rows), 'gate')}: {ended}", effort_of(rows))))
