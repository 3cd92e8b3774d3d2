"""The verdicts of a session as Markdown, for a pull request or the summary of a CI job; what failed comes first.

Ids of tests, names of metrics and texts of examples come from users, data and models: nothing of them is read as Markdown or HTML.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from pytest_llm.reports.rows import Row, effort_of
from pytest_llm.reports.usage import usage_lines
from pytest_llm.usage import Usage

MOST_BYTES = 900_000
"""GitHub refuses the summary of a step above 1 MiB."""
_HEAD = ("", "metric", "value", "95 % interval", "claim", "to spare", "n", "test")
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~-])")
_FENCE = re.compile(r"`{3,}")


def markdown(
    rows: Sequence[Row],
    failures: Mapping[str, str],
    missing: Sequence[str] = (),
    usages: Mapping[str, Usage] = MappingProxyType({}),
) -> str:
    """A table, and below it the messages of tests that failed.

    Args:
        rows: a verdict each.
        failures: by the id of a test what it says of its failure.
        missing: what is said of tests that did not come to their end, in lines.
        usages: what was asked of served models, by model.
    """
    kept: list[str] = []
    left = MOST_BYTES
    asked = [part for line in usage_lines(usages) for part in ("", f"{escaped(line)}.")]
    for line in (*_table(rows, missing), *asked, "", *_messages(rows, failures)):
        left -= len(line.encode("utf-8", "replace")) + 1
        if left < 0:
            kept += ["", "There is more than a summary may hold; the log has all of it."]
            break
        kept.append(line)
    return "\n".join(kept).rstrip() + "\n"


def _table(rows: Sequence[Row], missing: Sequence[str]) -> Iterator[str]:
    failed = sum(not row.passed for row in rows)
    yield f"### Language model quality: {f'{failed} of {len(rows)} gates failed' if failed else f'{len(rows)} gates passed'}"
    yield ""
    if missing:
        yield from (f"⚠️ {'<br>'.join(map(escaped, missing))}", "")
    yield _line(_HEAD)
    yield _line(["---"] * len(_HEAD))
    for row in sorted(rows, key=lambda row: (row.passed, not row.warns)):
        mark = "❌" if not row.passed else "⚠️" if row.warns else "✅"
        cells = (row.metric, row.value, row.interval, row.claim, row.spare, str(row.n))
        yield _line([f"{mark} {escaped(row.verdict)}", *map(escaped, cells), f"<code>{escaped(row.test)}</code>"])
    if took := effort_of(rows):
        yield from ("", f"{took.capitalize()}.")


def _messages(rows: Sequence[Row], failures: Mapping[str, str]) -> Iterator[str]:
    for test in dict.fromkeys(row.test for row in rows if not row.passed):
        if message := failures.get(test, ""):
            longest = max(map(len, _FENCE.findall(message)), default=2)
            fence = "`" * (longest + 1)
            yield from (f"<details><summary><code>{escaped(test)}</code></summary>", "")
            yield "\n".join([f"{fence}text", message, fence, "", "</details>", ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """The text on one line, as it stands: no Markdown, no HTML, no mention of anybody."""
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(text.split()))).replace("@", "&#64;")
