"""Verdicts as annotations that GitHub shows at the lines of a pull request: workflow commands, which no text can break out of."""

from __future__ import annotations

from pytest_llm.reports.rows import Row


def annotation(row: Row, path: str, line: int | None) -> str:
    """The command for a verdict that failed or warns.

    Args:
        row: the verdict.
        path: of the test's file, from the root of the repository.
        line: of the test, counted from 1.
    """
    level = "warning" if row.passed else "error"
    place = f"file={_property(path)}" + (f",line={line}" if line else "")
    return f"::{level} {place},title={_property(f'{row.metric}: {row.verdict}')}::{_data(row.sentence)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
