"""Where measurements and verdicts go besides back to the caller: the recorder of the running test.

The assertions call `record_measurement` and `record_verdict`; the pytest plugin binds a `Recorder` round each test.
Outside pytest nothing is bound and nothing is recorded. Standard library only: the plugin loads this at start-up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pytest_llm.binding import bound
from pytest_llm.effort import Effort, spent

if TYPE_CHECKING:
    from pytest_llm.judging.measurement import Measurement
    from pytest_llm.judging.verdict import Verdict


@dataclass(slots=True)
class Recorder:
    """What one test has measured so far, in order."""

    inner: bool = field(default=False, compare=False, kw_only=True)
    measurements: list[Measurement] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    _efforts: dict[int, Effort] = field(default_factory=dict, compare=False, kw_only=True)
    """By the identity of a verdict, or of a measurement's statistics: they live as long as this."""

    def effort_of(self, verdict: Verdict) -> Effort | None:
        """What the assertion took, or what measuring took where a marker judges it; None where nothing is counted."""
        measured = self._efforts.get(id(verdict.measurement.statistics))
        return self._efforts.get(id(verdict), measured)

    def effort_on(self, metric: str) -> Effort | None:
        """What all verdicts on a metric took together."""
        efforts = [self.effort_of(verdict) for verdict in self.verdicts if verdict.measurement.metric == metric]
        return None if None in efforts else sum(filter(None, efforts), Effort())

    def note_effort(self, of: object) -> None:
        """Keep what the present piece of work took so far, if there is one."""
        if (effort := spent()) is not None:
            self._efforts[id(of)] = effort


@dataclass(frozen=True, slots=True)
class Broken:
    """A text on which edits break what a test asks for, as a reader is shown it."""

    text: str
    edits: tuple[tuple[int, int, str, str], ...]
    """By their place in the text: start, end, what stands there instead, the operation. Those of one text do not overlap."""
    became: tuple[str, str]
    """What the model gave for the text, and for the edited one; the former is empty where only the latter is known."""
    label: str = ""
    """How reports call the example; empty where there is none."""
    relation: str = ""
    """The name of what is broken, where it has one."""


class Listener(Protocol):
    """Who hears of all that is measured, judged and broken, as it happens."""

    def measured(self, measurement: Measurement, *, aside: bool) -> None:
        """A model was measured; aside: in an inner `recording`, as what the test's model is compared with."""

    def judged(self, verdict: Verdict) -> None: ...

    def broke(self, broken: Broken) -> None:
        """An edited text broke what the model was asked to hold: of what was measured last, if something was."""


_current: ContextVar[Recorder | None] = ContextVar("pytest_llm_recorder", default=None)
_listener: ContextVar[Listener | None] = ContextVar("pytest_llm_listener", default=None)


@contextmanager
def recording() -> Iterator[Recorder]:
    """Bind a fresh recorder for the length of a `with` block."""
    recorder = Recorder(inner=_current.get() is not None)
    with bound(_current, recorder):
        yield recorder


def afresh() -> AbstractContextManager[None]:
    """For the length of a `with` block nothing is bound, so that the next recording is no inner one."""
    return bound(_current, None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Bind who hears of it, for the length of a `with` block; recordings in it begin anew."""
    with bound(_listener, listener), afresh():
        yield


@contextmanager
def forgiving(forgiven: type[BaseException]) -> Iterator[None]:
    """Forget what is recorded within the block, and end it, if it ends by such an exception."""
    recorder = _current.get()
    seen = (0, 0) if recorder is None else (len(recorder.measurements), len(recorder.verdicts))
    try:
        yield
    except forgiven:
        if recorder is not None:
            del recorder.measurements[seen[0] :], recorder.verdicts[seen[1] :]


def recorded_aside() -> bool:
    """Whether what is measured now is what the test's model is compared with: in an inner `recording`."""
    return (recorder := _current.get()) is not None and recorder.inner


def record_measurement(measurement: Measurement) -> None:
    if (recorder := _current.get()) is not None:
        recorder.measurements.append(measurement)
        recorder.note_effort(measurement.statistics)
        if (listener := _listener.get()) is not None:
            listener.measured(measurement, aside=recorder.inner)


def record_verdict(verdict: Verdict) -> None:
    if (recorder := _current.get()) is not None:
        recorder.verdicts.append(verdict)
        recorder.note_effort(verdict)
        if (listener := _listener.get()) is not None and not recorder.inner:
            listener.judged(verdict)


def record_broken(broken: Broken) -> None:
    if (listener := _listener.get()) is not None and not recorded_aside():
        listener.broke(broken)
