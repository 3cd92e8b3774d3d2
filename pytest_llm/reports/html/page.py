"""The page: everything that is shown, within the size that a browser opens at once.

It carries a policy that forbids every script and every style but its own, by their digests, and every request: what escaping
would miss does not run either.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

import jinja2
from markupsafe import Markup, escape

from pytest_llm.history.series import Series
from pytest_llm.records.excerpts import Excerpts
from pytest_llm.records.run_record import RunRecord
from pytest_llm.reports.html import bars, forest, pairs, trend
from pytest_llm.reports.html.characters import plain, shown
from pytest_llm.reports.html.details import MOST_BROKEN, Breaking, breaking_of, detail
from pytest_llm.reports.html.environment import environment, unended
from pytest_llm.reports.html.gates import KINDS, Gate, gates_of

MOST_BYTES = 3_800_000
"""Of rows and details together; all else is bounded by how many there are of it."""
MOST_BYTES_OF_DETAILS = 2_000_000
MOST_DETAILS = 200
"""Gates that can be opened, those first that failed: a browser takes seconds to read all of two thousand."""
MOST_LISTED = 300
"""Lines of any other list."""
MOST_TESTS = 50
"""Tests whose counter-examples are shown apart."""
_LONGEST = 2000
"""Characters of a name or a sentence."""


@dataclass(frozen=True, slots=True)
class Left:
    """What there was no room for."""

    rows: int
    details: int


def page(run: RunRecord, excerpts: Mapping[str, Excerpts] | None = None, history: Sequence[Series] = ()) -> str:
    """The whole file.

    Args:
        run: what was measured and judged.
        excerpts: by the id of a test what its texts are; a record by itself has none.
        history: how gates went from run to run; empty where that is not known.
    """
    told = excerpts or {}
    gates = gates_of(run, told)
    bodies, left = _bodies(gates)
    drawn, not_drawn = trend.trends(history)
    counts = Counter(gate.kind for gate in gates)
    style, script = _asset("style.css"), _asset("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            policy=_policy(style, script),
            style=Markup(style),
            script=Markup(script),
            run=run,
            counts={kind: counts[kind] for kind in KINDS},
            total=len(gates),
            bodies=bodies,
            left=left,
            metrics=sorted({gate.metric for gate in gates}),
            history=drawn,
            history_left=not_drawn,
            unended=list(unended(run)),
            loose=list(islice(_loose(gates, told), MOST_TESTS)),
            environment=environment(run),
            most=MOST_LISTED,
        )
    )


def _bodies(gates: Sequence[Gate]) -> tuple[list[Markup], Left]:
    """Each gate as HTML, as much of it as there is room for."""
    template = _environment().get_template("gate.html")
    bodies: list[Markup] = []
    room, room_of_details, details = MOST_BYTES, MOST_BYTES_OF_DETAILS, 0
    for gate in gates:
        text = template.render(gate=gate, detail=None)
        cost = _size(text)
        if cost > room:
            break
        if details == len(bodies) < MOST_DETAILS:
            full = template.render(gate=gate, detail=detail(gate))
            if _size(full) <= min(room, room_of_details):
                text, cost = full, _size(full)
                room_of_details -= cost
                details += 1
        room -= cost
        bodies.append(Markup(text))
    return bodies, Left(len(gates) - len(bodies), len(bodies) - details)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _loose(gates: Sequence[Gate], excerpts: Mapping[str, Excerpts]) -> Iterator[tuple[str, tuple[Breaking, ...], int]]:
    """Counter-examples of what no gate is of, such as those of a test of Hypothesis: by test, and how many more there are."""
    taken = {(gate.test, gate.place) for gate in gates}
    for test, own in excerpts.items():
        broken = [one for place, one in own.broken if (test, place) not in taken or place is None]
        if broken:
            yield test, breaking_of(broken), max(0, len(broken) - MOST_BROKEN)


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:; "
        f"base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _asset(name: str) -> str:
    return (files("pytest_llm.reports.html") / "templates" / name).read_text(encoding="utf-8").strip()


@cache
def _environment() -> jinja2.Environment:
    """Whatever is put into a template is escaped, and what nobody sees in it is named."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("pytest_llm.reports.html"),
        autoescape=True,
        finalize=_final,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["passage"] = shown
    made.globals.update(bars=bars, forest=forest, pairs=pairs, trend=trend)
    return made


def _final(value: Any) -> Any:
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return escape(plain(value[:_LONGEST]) + "…" * (len(value) > _LONGEST))
