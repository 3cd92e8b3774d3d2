"""The section of the terminal summary: one line per verdict, in the order the tests ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_llm.reports.properties import VERDICT


def summary_lines(reports: Iterable[tuple[str, list[tuple[str, object]]]]) -> Iterator[str]:
    """One line per verdict.

    Args:
        reports: pairs of a test's id and its report's user properties.
    """
    for node_id, properties in reports:
        for name, value in properties:
            if name == VERDICT:
                outcome, _, sentence = str(value).partition(": ")
                yield f"{outcome.upper():<12} {sentence}  [{node_id}]"
