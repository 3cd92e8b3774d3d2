"""What a reporter is, and how one is found by its name.

A reporter of your own is a class with three methods and an entry point:

    class Printer:
        def __init__(self, target: str) -> None: ...                    # what stands behind `--llm-report printer=`
        def begin(self, run: Mapping[str, str]) -> None: ...            # date, commit, versions
        def report(self, row: Row) -> None: print(row.metric, row.figures.value)
        def end(self, record: Path | None) -> None: ...

    [project.entry-points."pytest_llm.reporters"]
    printer = "my_package:Printer"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

from pytest_llm.errors import MisuseError
from pytest_llm.reports.rows import Row

GROUP = "pytest_llm.reporters"
_OWN = {"mlflow": ("pytest_llm.reporters.mlflow_store", "MlflowReporter")}


class Reporter(Protocol):
    """Hears of a session when it has ended. What it raises is told, and changes no verdict."""

    def begin(self, run: Mapping[str, str]) -> None:
        """There is something to report.

        Args:
            run: when and with what: `date` (ISO 8601, UTC), `commit`, versions of Python and packages.
        """

    def report(self, row: Row) -> None:
        """One verdict."""

    def end(self, record: Path | None) -> None:
        """There is no more.

        Args:
            record: the file of `--llm-json`, if there is one.
        """


def reporter_named(name: str, target: str) -> Reporter:
    """A reporter, made with what it is to report to.

    Raises:
        MisuseError: there is none of that name, or it refuses the target.
    """
    return _factory(name)(target)


def _factory(name: str) -> Callable[[str], Reporter]:
    if name in _OWN:
        module, attribute = _OWN[name]
        return cast("Callable[[str], Reporter]", getattr(import_module(module), attribute))
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted({*_OWN, *found}))
        raise MisuseError(f"there is no reporter {name!r}; there are {known}, and packages add theirs as {GROUP}")
    return cast("Callable[[str], Reporter]", found[name].load())
