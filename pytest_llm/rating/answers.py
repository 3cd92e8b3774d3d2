"""One answer of one rater, as a row of the file that `data/ratings.py` reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_llm.data.ratings import TIE, refuse_changed_row
from pytest_llm.errors import MisuseError
from pytest_llm.storage.checksum import MEMBER

LONGEST_NOTE = 10_000
"""Characters."""
_MEMBERS = frozenset(
    ("rater", "item", "first", "second", "preferred", "score", "skipped", "revision", "note", "at", "content", MEMBER)
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one rater said of one item."""

    rater: str
    item: str
    value: str | int | None
    """The name of the candidate that is preferred, "tie", or a score; None: skipped."""
    first: str | None = None
    """The candidate that was shown first; None where outputs are rated by themselves."""
    second: str | None = None
    note: str = ""
    at: str = ""
    """When it was given, in ISO 8601."""
    content: str = ""
    """Which texts it is about (`Sheet.content`)."""
    revision: int = 0
    """How often the rater had answered this question before."""

    @property
    def compares(self) -> bool:
        return self.first is not None

    def as_row(self) -> dict[str, Any]:
        """The row, without what says nothing."""
        row: dict[str, Any] = {"rater": self.rater, "item": self.item}
        if self.compares:
            row |= {"first": self.first, "second": self.second}
        if self.value is None:
            row["skipped"] = True
        else:
            row["preferred" if self.compares else "score"] = self.value
        rest = {"revision": self.revision, "note": self.note, "at": self.at, "content": self.content}
        return row | {name: value for name, value in rest.items() if value}


def answer_of(row: Any, place: str) -> Answer:
    """The answer that a row is.

    Raises:
        MisuseError: it is no such row.
    """
    if not isinstance(row, Mapping):
        raise MisuseError(f"{place} is {row!r:.60}; expected a JSON object")
    if MEMBER in row:
        refuse_changed_row(row, place)
    texts = {name: row.get(name, "") for name in ("rater", "item", "note", "at", "content")}
    first, second, revision = row.get("first"), row.get("second"), row.get("revision", 0)
    value = None if row.get("skipped") is True else row.get("score" if first is None else "preferred")
    sound = (
        row.keys() <= _MEMBERS
        and all(isinstance(text, str) for text in texts.values())
        and texts["rater"]
        and texts["item"]
        and type(revision) is int
        and revision >= 0
        and (second is None if first is None else isinstance(first, str) and isinstance(second, str))
        and (row.get("skipped") is True or (type(value) is int if first is None else value in (first, second, TIE)))
    )
    if not sound:
        raise MisuseError(
            f"{place} is no answer that this page wrote: {dict(row)!r:.200}; mend it, or choose another --out"
        )
    return Answer(value=value, first=first, second=second, revision=revision, **texts)
