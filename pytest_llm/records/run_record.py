"""The file of `--llm-json`: schema 2.

    {
      "format": "pytest-llm run record",
      "schema": 2,
      "recorded": {"date": …, "commit": …, "python": …, …},       when, and with what; the "tier", if there was one
      "complete": true,                                            whether every test that was collected came to its end
      "tests": [
        {
          "id": "tests/test_prose.py::test_it",
          "outcome": "passed",                                     see `OUTCOMES`
          "served": { … },                                         by served model, what was asked: see `Usage`; where there was any
          "measurements": [ … ],                                   in the order in which they were made: see `records.measurement`
          "verdicts": [ … ]                                        see `records.verdicts`
        },
        …
      ],
      "checksum": …                                                SHA-256 of all before, see `_checksum`
    }

Numbers that JSON lacks are strings, see `storage.numbers`. Members may be added within a schema; what changes or goes makes a new
one. The file may be laid out otherwise, but its members stay in their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_llm.errors import MisuseError
from pytest_llm.judging.measurement import Measurement
from pytest_llm.records.measurement import measurement_from
from pytest_llm.records.verdicts import RecordedVerdict, verdict_from
from pytest_llm.storage.checked import Checked
from pytest_llm.storage.checksum import MEMBER
from pytest_llm.storage.numbers import encoded
from pytest_llm.storage.strict_json import parsed, read_bounded
from pytest_llm.usage import Usage

FORMAT = "pytest-llm run record"
SCHEMA = 2
MOST_BYTES = 2**30
"""A larger file is no record that anybody would judge again, and is not read into memory."""

OUTCOMES = {
    "passed": True,
    "failed": True,
    "skipped": True,
    "xfailed": True,
    "xpassed": True,
    "error": True,
    "interrupted": False,
    "crashed": False,
    "not run": False,
    "not collected": False,
}
"""How a test may end, and whether that is its end."""


@dataclass(slots=True)
class TestResult:
    """What one test came to; measurements and verdicts as JSON texts, one each."""

    __test__ = False  # no test of pytest's

    id: str
    outcome: str
    measurements: list[str] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    excerpts: list[str] = field(default_factory=list)
    """At most one, for a page: never part of the record."""
    usage: Mapping[str, Usage] = field(default_factory=dict)
    """What was asked of served models, all tries together where it ran more than once."""


@dataclass(frozen=True)
class RecordedMeasurement:
    """A measurement that was read back."""

    measurement: Measurement
    aside: bool
    is_sum: bool


@dataclass(frozen=True)
class RecordedTest:
    """A test that was read back."""

    id: str
    outcome: str
    measurements: tuple[RecordedMeasurement, ...]
    verdicts: tuple[RecordedVerdict, ...] = ()
    usage: Mapping[str, Usage] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return OUTCOMES[self.outcome]


@dataclass(frozen=True)
class RunRecord:
    """A record that was read back."""

    path: Path
    recorded: Mapping[str, str]
    complete: bool
    tests: tuple[RecordedTest, ...]

    @cached_property
    def by_id(self) -> dict[str, RecordedTest]:
        return {test.id: test for test in self.tests}

    @property
    def origin(self) -> str:
        """The file, and when and from which commit it was recorded, for a reader."""
        commit = f", commit {self.recorded['commit'][:10]}" if self.recorded.get("commit") else ""
        return f"{self.path.name} (recorded {self.recorded.get('date', 'once')}{commit})"


def record_text(recorded: Mapping[str, str], tests: Iterable[TestResult]) -> str:
    """The whole file; a line for each measurement."""
    listed = list(tests)
    head = {
        "format": FORMAT,
        "schema": SCHEMA,
        "recorded": dict(recorded),
        "complete": all(OUTCOMES[test.outcome] for test in listed),
    }
    said = encoded(head)[:-1] + ',"tests":[\n' + ",\n".join(map(_test_text, listed)) + "\n]"
    # a text's own line feeds are escaped: these are between members only
    return f'{said},"checksum":"{_checksum(said.replace(chr(10), "") + "}")}"}}\n'


def _checksum(text: str) -> str:
    """Of the record without its checksum, on one line, as `storage.numbers.encoded` lays it out.

    Not of sorted members, as in smaller files: who writes a record has texts of its parts and would have to parse them all.
    """
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _test_text(test: TestResult) -> str:
    served = {"served": {model: asdict(usage) for model, usage in test.usage.items()}} if test.usage else {}
    head = encoded({"id": test.id, "outcome": test.outcome, **served})[:-1]
    return f'{head},"measurements":{_listed(test.measurements)},"verdicts":{_listed(test.verdicts)}}}'


def _listed(lines: list[str]) -> str:
    return "[\n" + ",\n".join(lines) + "]" if lines else "[]"


def read_record(path: Path) -> RunRecord:
    """Read what `--llm-json` wrote.

    Raises:
        MisuseError: no such file, not a record, of another schema, too large, damaged or changed; the message says where.
    """
    try:
        content = parsed(read_bounded(path, MOST_BYTES))
    except OSError as error:
        raise MisuseError(f"the run record {path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise MisuseError(f"{path} is no run record: {error}; `pytest --llm-json FILE` writes one") from None
    head = _refuse_other_files(Checked(content, str(path)))
    if head.text(MEMBER) != checksum_of_record(content, path):
        head.refuse(
            "it is not as it was written (other checksum): get it from where it was recorded, or record it again"
        )
    return run_record(content, path)


def checksum_of_record(content: Mapping[str, Any], path: Path) -> str:
    """What belongs to these members.

    Raises:
        MisuseError: they are nested too deeply.
    """
    try:
        return _checksum(encoded({name: value for name, value in content.items() if name != MEMBER}))
    except RecursionError:
        raise MisuseError(f"the run record {path} cannot be read: lists or objects are nested too deeply") from None


def run_record(content: Any, path: Path) -> RunRecord:
    """The record that this parsed JSON describes; path: what it is called.

    Raises:
        MisuseError: not a record, or of a later schema, or damaged.
    """
    return _record(_refuse_other_files(Checked(content, str(path))), path)


def _refuse_other_files(content: Checked) -> Checked:
    if content.text("format") != FORMAT:
        content.refuse(f"its format is {content.text('format')!r:.60}, not {FORMAT!r}")
    if (schema := content.whole("schema")) != SCHEMA:
        content.refuse(f"its schema is {schema}, and this version reads {SCHEMA}: record it again with --llm-json")
    return content


def _record(content: Checked, path: Path) -> RunRecord:
    recorded = content.text_by_name("recorded")
    tests = tuple(map(_test, content.parts("tests")))
    if len({test.id for test in tests}) < len(tests):
        content.refuse("a test stands in it twice")
    return RunRecord(path, recorded, content.flag("complete"), tests)


def _test(content: Checked) -> RecordedTest:
    named, outcome = content.text("id"), content.text("outcome")
    if outcome not in OUTCOMES:
        content.refuse(f"'outcome' is {outcome!r}, none of {', '.join(OUTCOMES)}")
    measurements = (
        RecordedMeasurement(measurement_from(part), part.flag("aside"), part.flag("is_sum"))
        for part in content.parts("measurements")
    )
    verdicts = tuple(map(verdict_from, content.parts("verdicts")))
    test = RecordedTest(named, outcome, tuple(measurements), verdicts, _usage(content))
    if any(said.measurement is not None and said.measurement >= len(test.measurements) for said in test.verdicts):
        content.refuse("a verdict is of a measurement that is not there")
    return test


def _usage(content: Checked) -> dict[str, Usage]:
    if "served" not in content.names():
        return {}
    served = content.part("served")
    counts = [field.name for field in fields(Usage)]
    return {model: Usage(*map(served.part(model).whole, counts)) for model in served.names()}
