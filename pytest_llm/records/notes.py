"""What is written down of one test while it runs."""

from __future__ import annotations

from pytest_llm.records.measurement import measurement_as_data
from pytest_llm.records.numbers import encoded
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.verdict import Measurement, Verdict


class Notes:
    """A `recording.Listener` that keeps texts only: neither models nor outputs are held in memory until the run ends."""

    def __init__(self) -> None:
        self.measurements: list[str] = []
        self.verdicts: list[str] = []
        self._rows: list[FloatArray] = []

    def measured(self, measurement: Measurement, *, aside: bool) -> None:
        self._rows.append(measurement.statistics)
        self.measurements.append(encoded(measurement_as_data(measurement, aside=aside)))

    def judged(self, verdict: Verdict) -> None:
        rows = verdict.measurement.statistics  # which stay the same array where a verdict changes what is said of them
        place = next((place for place, noted in enumerate(self._rows) if noted is rows), None)
        said = {"outcome": verdict.outcome.value, "passed": verdict.passed, "sentence": verdict.sentence}
        self.verdicts.append(encoded({**said, "measurement": place}))
