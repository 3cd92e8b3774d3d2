"""What is written down of one test while it runs."""

from __future__ import annotations

from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.verdict import Verdict
from pytest_llm.recording import Broken
from pytest_llm.records.excerpts import Excerpts
from pytest_llm.records.measurement import measurement_as_data
from pytest_llm.records.verdicts import comparison_of, verdict_as_data
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.storage.numbers import encoded


class Notes:
    """A `recording.Listener` that keeps texts only: neither models nor outputs are held in memory until the run ends.

    Args:
        excerpts: where texts of examples are kept, for a page; None: they are not, as in a record.
    """

    def __init__(self, excerpts: Excerpts | None = None) -> None:
        self.measurements: list[str] = []
        self.verdicts: list[str] = []
        self.excerpts = excerpts
        self._rows: list[FloatArray] = []

    def measured(self, measurement: Measurement, *, aside: bool) -> None:
        self._rows.append(measurement.statistics)
        self.measurements.append(encoded(measurement_as_data(measurement, aside=aside)))
        if self.excerpts is not None:
            self.excerpts.keep(measurement)

    def judged(self, verdict: Verdict) -> None:
        rows = verdict.measurement.statistics  # which stay the same array where a verdict changes what is said of them
        place = next((place for place, noted in enumerate(self._rows) if noted is rows), None)
        self.verdicts.append(encoded(verdict_as_data(verdict, place)))
        if self.excerpts is not None:
            self.excerpts.keep(verdict.measurement, comparison_of(verdict))

    def broke(self, broken: Broken) -> None:
        if self.excerpts is not None:
            self.excerpts.broke(broken, len(self._rows) - 1 if self._rows else None)
