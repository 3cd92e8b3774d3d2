"""The section of the terminal summary: one line per verdict, in the order the tests ran, and what is to be said of all together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llm.reports.properties import GATE, VERDICT, WRITTEN

if TYPE_CHECKING:
    from pytest_llm.reports.gates import Correction


def summary_lines(
    reports: Sequence[tuple[str, list[tuple[str, object]]]], root: Path, correction: Correction | None = None
) -> Iterator[str]:
    """One line per verdict, some about chance where gates know of it, and a table of the baselines that were written.

    Args:
        reports: pairs of a test's id and its report's user properties.
        root: what files are named from.
        correction: of the gates' p-values, where that is asked for.
    """
    for node_id, properties in reports:
        for name, value in properties:
            if name == VERDICT:
                outcome, _, sentence = str(value).partition(": ")
                yield f"{outcome.upper():<12} {sentence}  [{node_id}]"
    kinds = {name for _, properties in reports for name, _ in properties}
    if GATE in kinds:
        from pytest_llm.reports.gates import chance_lines, correction_lines, gates_of

        yield from chance_lines(gates_of(reports)) if correction is None else correction_lines(correction)
    if WRITTEN in kinds:
        from pytest_llm.reports.written import written_lines

        yield from written_lines(reports, root)
