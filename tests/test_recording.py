"""What a recorder holds, and when."""

from __future__ import annotations

import pytest

from pytest_llm.inference.measure import measure
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.verdict import Verdict
from pytest_llm.limit import Limit
from pytest_llm.recording import Broken, Recorder, listening, record_measurement, record_verdict, recording
from tests.stub_models import UniformModel


def measurement(size: int) -> Measurement:
    return measure(UniformModel(size), ["some text"], "perplexity")


def test_outside_a_recording_nothing_is_recorded() -> None:
    with recording() as recorder:
        pass
    measured = measurement(2)
    record_measurement(measured)
    record_verdict(judge(measured, Limit.below(25)))
    assert recorder == Recorder()


def test_measurements_and_verdicts_are_kept_in_order() -> None:
    measured = [measurement(size) for size in (3, 2, 5)]
    verdicts = [judge(one, Limit.below(25)) for one in measured]
    with recording() as recorder:
        for one, verdict in zip(measured, verdicts, strict=True):
            record_verdict(verdict)
            record_measurement(one)
    assert [id(one) for one in recorder.measurements] == [id(one) for one in measured]
    assert [id(verdict) for verdict in recorder.verdicts] == [id(verdict) for verdict in verdicts]


def test_measuring_is_recorded() -> None:
    with recording() as recorder:
        measured = measurement(4)
    assert len(recorder.measurements) == 1
    assert recorder.measurements[0] is measured


def test_an_inner_recording_hides_the_outer_one_until_it_ends() -> None:
    with recording() as outer:
        before = measurement(2)
        with recording() as inner:
            inside = measurement(3)
        after = measurement(4)
    assert [one.value for one in inner.measurements] == [inside.value]
    assert [one.value for one in outer.measurements] == [before.value, after.value]


def test_an_exception_ends_a_recording_and_restores_the_one_before() -> None:
    with recording() as outer:
        with pytest.raises(RuntimeError, match="model broke"), recording() as inner:
            raise RuntimeError("model broke")
        measurement(2)
    assert len(outer.measurements) == 1
    assert not inner.measurements


def test_each_recording_starts_empty() -> None:
    with recording():
        measurement(2)
    with recording() as second:
        assert second == Recorder([], [])


class Ears:
    """Hears values, and whether they were measured aside."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, bool | str]] = []

    def measured(self, measurement: Measurement, *, aside: bool) -> None:
        self.heard.append((measurement.value, aside))

    def judged(self, verdict: Verdict) -> None:
        self.heard.append((verdict.measurement.value, verdict.outcome.value))

    def broke(self, broken: Broken) -> None:
        raise NotImplementedError


def test_a_listener_hears_of_inner_recordings_as_aside_and_not_of_their_verdicts() -> None:
    ears = Ears()
    with recording(), listening(ears), recording():
        record_verdict(judge(measurement(2), Limit.below(25)))
        with recording():
            record_verdict(judge(measurement(3), Limit.below(25)))
        measurement(4)
    measurement(5)
    assert [(round(value), how) for value, how in ears.heard] == [(2, False), (2, "passed"), (3, True), (4, False)]


def test_outside_a_recording_a_listener_hears_nothing() -> None:
    ears = Ears()
    with listening(ears):
        measurement(2)
    assert ears.heard == []
