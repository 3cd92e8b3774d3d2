"""A session as one line of JSON: schema 2.

    {"format": "pytest-llm history", "schema": 2,
     "recorded": {"date": "2026-11-26T05:18:00+00:00", "commit": …, "python": …, …},
     "gates": [{"test": …, "metric": …, "model": …, "device": …, "signature": …, "data": …,
                "outcome": "passed", "passed": true, "warns": false,
                "value": 44.09965, "low": …, "high": …, "limit": …, "lower_is_better": true, "n": 31, "seconds": 1.6}, … ],
     "checksum": …}

`data` is a digest of the examples, `limit` the value up to which the claim holds; what there is not is null. Numbers that JSON
lacks are strings, see `storage.numbers`. Members may be added within a schema; what changes or goes makes a new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from pytest_llm.storage.checked import Checked
from pytest_llm.storage.checksum import sealed
from pytest_llm.storage.numbers import encoded, number

FORMAT = "pytest-llm history"
SCHEMA = 2

_TEXTS = ("test", "metric", "model", "device", "signature", "data", "outcome")


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one verdict said."""

    test: str
    metric: str
    model: str
    device: str
    """Type of the weights and device."""
    signature: str
    data: str
    outcome: str
    passed: bool
    warns: bool
    value: float
    low: float | None
    high: float | None
    limit: float | None
    lower_is_better: bool
    n: int
    seconds: float | None

    @property
    def key(self) -> tuple[str, ...]:
        """What has to be the same in two runs for their values to be comparable: all but the model, as with baselines."""
        return self.test, self.metric, self.device, self.signature, self.data


@dataclass(frozen=True, slots=True)
class Run:
    """A session."""

    recorded: Mapping[str, str]
    """When and with what: `date` (ISO 8601, UTC), `commit`, versions."""
    gates: tuple[GateResult, ...]

    @property
    def date(self) -> str:
        return self.recorded["date"]

    @property
    def commit(self) -> str:
        """Abbreviated; empty where it is not known."""
        return self.recorded.get("commit", "")[:10]


def run_line(run: Run) -> str:
    """The line, without its end."""
    head = {"format": FORMAT, "schema": SCHEMA, "recorded": dict(run.recorded)}
    said = encoded({**head, "gates": [_gate_as_data(gate) for gate in run.gates]})
    return encoded(sealed(json.loads(said)))  # the checksum is of what a reader finds


def _gate_as_data(gate: GateResult) -> dict[str, Any]:
    return {name: number(value) if isinstance(value, float) else value for name, value in asdict(gate).items()}


def run_from(content: Checked) -> Run:
    """The session that a line tells of.

    Raises:
        MisuseError: it is no line of a history, of another schema, or damaged.
    """
    if content.text("format") != FORMAT:
        content.refuse(f"its format is {content.text('format')!r}, not {FORMAT!r}")
    if (schema := content.whole("schema")) != SCHEMA:
        content.refuse(f"its schema is {schema}, and this version reads {SCHEMA}")
    content.refuse_changed("restore it, or remove the line: the history lacks that session then")
    content.part("recorded").text("date")
    return Run(content.text_by_name("recorded"), tuple(map(_gate_from, content.parts("gates"))))


def _gate_from(content: Checked) -> GateResult:
    numbers = {
        name: content.number(name) if content.has(name) else None for name in ("low", "high", "limit", "seconds")
    }
    flags = {name: content.flag(name) for name in ("passed", "warns", "lower_is_better")}
    texts = {name: content.text(name) for name in _TEXTS}
    found: dict[str, Any] = {**texts, **numbers, **flags, "value": content.number("value"), "n": content.whole("n")}
    assert found.keys() == {one.name for one in fields(GateResult)}
    return GateResult(**found)
