"""`--llm-correction=holm`: a plugin that is registered where it is given.

pytest decides each test when it ends, before the other p-values are known. So each gate fails below its share of alpha, as
Bonferroni has it, among a number of gates that is declared; what only all p-values together show is added at the session's end.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest
from _pytest.junitxml import xml_key

from pytest_llm.reports.gates import Correction, corrected, correction_lines, gates_of
from pytest_llm.session.results import RESULTS


class HolmCorrection:
    """Decides, when all have run, by what each test said of chance."""

    def __init__(self, declared: int) -> None:
        self.declared = declared

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        result = yield
        if not hasattr(session.config, "workerinput"):
            session.testsfailed += self.result(session.config).fails
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Say it in JUnit XML as well, which has no failure for what no single test did."""
        xml = session.config.stash.get(xml_key, None)
        if xml is None:
            return
        for line in correction_lines(self.result(session.config)):
            xml.add_global_property("llm_correction", " ".join(line.split()))

    def result(self, config: pytest.Config) -> Correction:
        """What the p-values say together, of the gates that have run."""
        return corrected(gates_of(config.stash[RESULTS].said), self.declared)


def correction(declared: str) -> HolmCorrection:
    """The plugin, from the ini key `llm_gates`.

    Raises:
        pytest.UsageError: it is no number of gates.
    """
    if not (declared.isdecimal() and int(declared) >= 1):
        raise pytest.UsageError(
            f"--llm-correction=holm: the ini key llm_gates is {declared!r}; write there how many gates the whole suite has, such "
            f"as llm_gates = 12 (they are not counted, because then -k or a new test would change the verdicts of the others)"
        )
    return HolmCorrection(int(declared))
