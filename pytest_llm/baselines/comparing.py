"""From a measurement to a verdict against the baseline that is stored for it, or to a new baseline where that is asked for."""

from __future__ import annotations

import datetime
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pytest_llm.baselines.baseline import Baseline, as_baseline, refuse_unfit
from pytest_llm.baselines.calibrating import calibrated
from pytest_llm.baselines.comparability import aligned, differences, same_examples, unchecked
from pytest_llm.baselines.shelf import MAIN, Shelf
from pytest_llm.errors import MisuseError
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.regression import ChangeVerdict, judge_change
from pytest_llm.judging.verdict import Outcome, Verdict
from pytest_llm.models.devices import device_class
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.stopping.gates import Subject
from pytest_llm.tolerance import Tolerance
from pytest_llm.wording import number

_VERSIONS = ("pytest-llm-regression", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class BaselineVerdict(Verdict):
    """What is said where no change was judged: recorded, not there, not comparable."""

    lines: tuple[tuple[str, str], ...]
    wrote: Mapping[str, object] = field(default_factory=dict)

    @property
    def written(self) -> Mapping[str, object]:
        return self.wrote

    def evidence(self) -> Iterator[tuple[str, str]]:
        yield from self.lines
        yield "measured", f"{self.measurement.n} examples, {self.measurement.data}"
        yield "model", str(self.measurement.provenance)
        yield "signature", self.measurement.signature


def stored_before(shelf: Shelf, name: str, key: str | None, subject: Subject) -> FloatArray | None:
    """What the baseline on the shelf says of examples that will be measured; None where none will be compared with."""
    device = device_class(subject.origin.device)
    found = (
        None if shelf.update is not None or shelf.calibrate else shelf.find(name, key or subject.metric.name, device)
    )
    baseline = _readable(found, shelf)
    return None if baseline is None else of_same_examples(baseline, subject)


def of_same_examples(baseline: Baseline, subject: Subject) -> FloatArray | None:
    """What a baseline says of examples that will be measured.

    None if it is of others, which the verdict will say, or if the noise of the model from run to run is known, which a
    verdict takes into account that no early one knows.
    """
    comparable = baseline.metric == subject.metric.name and same_examples(baseline, subject) and baseline.noise is None
    return aligned(baseline, subject) if comparable else None


def judge_stored(
    m: Measurement, tolerance: Tolerance, shelf: Shelf, *, name: str = MAIN, key: str | None = None
) -> Verdict:
    """Compare with the baseline on the shelf; record it instead where the shelf is to be updated.

    Args:
        m: what was measured now.
        tolerance: when a change counts.
        shelf: the running test's.
        name: which baseline.
        key: the gate's name within its test; None: the metric's.

    Raises:
        MisuseError: a baseline that cannot be read, two gates of one test under one name, a value that cannot be recorded.
    """
    gate, device = key or m.metric, m.provenance.hardware or device_class(m.provenance.device)
    own = shelf.place(name, gate, device)
    shelf.claim(own)
    found = shelf.find(name, gate, device)
    if shelf.update is not None and (found != own or shelf.update != "missing"):
        verdict = _updated(m, tolerance, shelf, own, found, name)
        found = own
    elif found is None:
        return _missing(m, shelf, name)
    else:
        stored, notes = shelf.read(found), _anchor(m, shelf, name, gate, device)
        stored = replace(stored, noise=None) if shelf.calibrate else stored  # that of earlier runs is replaced
        verdict = judge_against(m, tolerance, stored, f"baseline {name!r}", shelf, notes)
    if not shelf.calibrate or verdict.outcome is Outcome.ERROR:
        return verdict
    said = calibrated(m, found, tolerance, shelf) if found == own else "not calibrated: no baseline of this device"
    return replace(verdict, sentence=f"{verdict.sentence}; {said}")


def judge_against(
    m: Measurement,
    tolerance: Tolerance,
    baseline: Baseline,
    against: str,
    shelf: Shelf | None = None,
    notes: Sequence[str] = (),
    *,
    same_dtype: bool = True,
) -> Verdict:
    """Compare with one baseline, if it can be compared at all; an ERROR that names what differs if not."""
    accept = _command(shelf) if shelf else _again(baseline)
    reasons = differences(baseline, m, m.identity(), same_dtype=same_dtype)
    if reasons:
        sentence = (
            f"{m.metric} {number(m.value)} cannot be compared with {against} ({number(baseline.value)}): not the same"
        )
        lines = [("" if rank else "differs", reason) for rank, reason in enumerate(reasons)]
        lines += [("baseline", baseline.origin), ("to accept", accept)]
        return BaselineVerdict(Outcome.ERROR, f"{sentence} {reasons[0].partition(':')[0]}", m, tuple(lines))
    notes = (*notes, *unchecked(baseline, m))
    if baseline.provenance.device and baseline.provenance.device != m.provenance.device:
        notes = (*notes, f"recorded on {baseline.provenance.device}, measured on {m.provenance.device}")
    before = aligned(baseline, m)
    return judge_change(
        Comparison(m, against, before, baseline.origin, tuple(notes), accept, baseline.noise), tolerance
    )


def judge_models(m: Measurement, reference: Measurement, tolerance: Tolerance) -> Verdict:
    """Compare two models that were measured on the same data one after the other."""
    other = as_baseline(reference, reference.identity(), {})
    against = f"the reference {reference.provenance.model.partition(' (')[0]}"
    return judge_against(m, tolerance, other, against, same_dtype=False)


def _updated(m: Measurement, tolerance: Tolerance, shelf: Shelf, own: Path, found: Path | None, name: str) -> Verdict:
    refuse_unfit(m)
    new = as_baseline(m, m.identity(), m.recorded or recorded_now())
    before = _readable(found, shelf)
    if shelf.update == "changed" and found == own and before is not None and new.same_statistics(before):
        return judge_against(m, tolerance, before, f"baseline {name!r}", shelf)
    sentence = f"{m.metric} {number(m.value)} is now baseline {name!r}; "
    if before is None:
        what, more = (
            ("new", "there was none before") if found is None else ("restored", "what was there could not be read")
        )
    elif reasons := differences(before, m, new.identity):
        what = f"not comparable: {reasons[0]}"
        more = f"{number(before.value)} before, which cannot be compared: {reasons[0]}"
    else:
        since = judge_against(m, tolerance, before, "before")
        new = replace(new, noise=before.noise if found == own else None)  # of this device
        what = f"{_way(since)}{since.outcome.value}"
        more = f"{number(before.value)} before: {since.outcome.value}"
    shelf.write(own, new)
    wrote = {"file": str(own), "before": None if before is None else before.value, "change": what}
    return BaselineVerdict(Outcome.RECORDED, f"{sentence}{more}", m, (("file", str(own)),), wrote)


def _way(verdict: Verdict) -> str:
    """By how much, and to which side."""
    if not isinstance(verdict, ChangeVerdict) or not (drop := verdict.comparison.drop):
        return ""
    return f"{verdict.comparison.worded(drop)} {'worse' if drop > 0 else 'better'}, "


def _missing(m: Measurement, shelf: Shelf, name: str) -> Verdict:
    there = sorted(path.name for path in shelf.folder.glob("*") if path.is_dir())
    sentence = f"{m.metric} {number(m.value)} has no baseline {name!r} to be compared with"
    others = f"; {shelf.folder} has {', '.join(map(repr, there))}" if there and name not in there else ""
    return BaselineVerdict(Outcome.ERROR, sentence, m, (("to record", f"{_command(shelf)}{others}"),))


def _anchor(m: Measurement, shelf: Shelf, name: str, gate: str, device: str) -> list[str]:
    """The change since the anchored baseline, which many tolerated changes in turn may have moved far away."""
    if not shelf.anchor or shelf.anchor == name:
        return []
    if m.stopped is not None:
        return [f"the change since the anchor {shelf.anchor!r} takes all of the data"]
    found = shelf.find(shelf.anchor, gate, device)
    if found is None:
        return [f"no anchor {shelf.anchor!r} of this gate is stored"]
    anchor = shelf.read(found)
    if reasons := differences(anchor, m, m.identity()):
        return [f"the anchor {shelf.anchor!r} cannot be compared: {reasons[0]}"]
    since = Comparison(m, f"anchor {shelf.anchor!r}", aligned(anchor, m))
    way = "worse" if since.drop > 0 else "better"
    return [f"{since.worded(since.drop)} {way} than the anchor {shelf.anchor!r} ({number(since.value)}) in all"]


def _readable(path: Path | None, shelf: Shelf) -> Baseline | None:
    try:
        return None if path is None else shelf.read(path)
    except MisuseError:
        return None


def _again(baseline: Baseline) -> str:
    """How a baseline that is given by its path comes to be another."""
    if baseline.source:
        return "record a baseline of your own, or import a later log: pytest-llm baseline import … --force"
    return "record it again where it is recorded: pytest --llm-update-baselines in its own test"


def _command(shelf: Shelf) -> str:
    return f"pytest {shelf.node_id!r} --llm-update-baselines"


def recorded_now() -> dict[str, str]:
    """When and with what something is recorded; the one place that asks the clock and git."""
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return {"date": today, "commit": _commit(), "python": platform.python_version(), **dict(_versions())}


def _versions() -> Iterator[tuple[str, str]]:
    for package in _VERSIONS:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue


def _commit() -> str:
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
