"""One unit of data: a document, or a row of a data set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """A text with an identity that survives reordering."""

    id: str
    """Unique in its data set: given by the data, else the beginning of a SHA-256 of the text, and of the target if there is one."""
    text: str
    label: str
    """How reports call it: the given id, or its position (`#3`, counted from 0) where none was given."""
    cluster: str | None = None
    """Examples of one cluster (chapters of one book, turns of one dialogue) are not independent of each other."""
    target: Any = None
    """What an output is compared with, where a metric compares: a tuple of references, a class label, spans, …"""
    row: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The whole row that the example was made of, for prompts and choices; empty for a bare text."""

    @property
    def unit(self) -> str:
        """What is independent of other units: its cluster, or the example itself."""
        return f"example {self.id}" if self.cluster is None else f"cluster {self.cluster}"

    def with_text(self, text: str) -> Example:
        """The example with another text, in each column of its row that held the old one."""
        row = {name: text if value == self.text else value for name, value in self.row.items()}
        return replace(self, text=text, row=row)

    @property
    def content(self) -> str:
        """Changes with the text and the target, and with nothing else."""
        return identity(self.text, self.target)

    def __reduce__(self) -> tuple[Any, ...]:
        return Example, (
            self.id,
            self.text,
            self.label,
            self.cluster,
            self.target,
            self.row,
        )  # five times as fast as by default


@dataclass(frozen=True, slots=True)
class StoredExample(Example):
    """An example of which only the content's hash was kept, not the text."""

    content: str = ""

    @classmethod
    def of(cls, id: str, content: str, unit: str | None = None, label: str | None = None) -> StoredExample:  # noqa: A002  # its name
        """The example, and its unit where that is known."""
        cluster = unit.removeprefix("cluster ") if unit is not None and unit.startswith("cluster ") else None
        return cls(id, "", id if label is None else label, cluster, content=content)

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredExample, (self.id, self.text, self.label, self.cluster, self.target, self.row, self.content)


def fingerprint(text: str) -> str:
    """SHA-256 of the text in UTF-8, in hexadecimal. Lone surrogates, which UTF-8 cannot hold, keep their code."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def identity(text: str, target: Any = None) -> str:
    """What an example without an id is known by: the same for the same text and target, whatever kind of file they are from."""
    own = fingerprint(text)
    if target is not None:
        own = fingerprint(own + json.dumps(target, sort_keys=True, default=_plain))
    return own[:16]


def _plain(value: Any) -> Any:
    """What JSON does not know: arrays of numbers as lists, all else as it is shown."""
    return value.tolist() if hasattr(value, "tolist") else repr(value)
