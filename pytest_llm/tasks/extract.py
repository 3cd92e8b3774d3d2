"""Find the entities of each text: by a head that tags tokens, or in what a model writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeAlias

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.tasks.generate import Generate

Finding: TypeAlias = "tuple[str, str]"
"""What stands in the text, and its label."""
Read: TypeAlias = 'Literal["json", "lines"] | Callable[[str], Iterable[Finding]]'


@dataclass(frozen=True)
class Extract:
    """The output is the entities of a text as spans: of its words where the targets are tags, else of its characters.

    Args:
        generate: what the model writes its findings after, such as `Generate("Keys in “{text}”, one a line:")`; None: the model's
            own head, or its method `extract`, finds them.
        read: how findings are read from what was written. "json": the first JSON value in it, a mapping from labels to lists of
            texts, or a list of {"text": …, "label": …}; "lines": one in each line, with the task's `label`; or a function from what
            was written to pairs of a text and its label. What cannot be read is no finding.
        label: the label of all findings, for "lines".
        words: the column with the words that tags belong to.
        truncate: leave out what is behind the longest text that a head reads; else a longer one is an error.

    A finding is wherever its text stands in the example's; one that stands nowhere in it counts as a wrong one.

    Raises:
        MisuseError: settings that do not go together.
    """

    generate: Generate | None = None
    read: Read = "json"
    label: str | None = None
    words: str = "tokens"
    truncate: bool = False

    def __post_init__(self) -> None:
        if self.read not in ("json", "lines") and not callable(self.read):
            raise MisuseError(
                f"read={self.read!r}: expected 'json', 'lines' or a function from text to (text, label) pairs"
            )
        if (self.read == "lines") != (self.label is not None):
            raise MisuseError(
                f"label={self.label!r} with read={self.read!r}: lines need a label, and nothing else has one"
            )
        if self.generate is None and self.read != "json":
            raise MisuseError(
                f"read={self.read!r} reads what a model writes: say what it writes after, generate=Generate(…)"
            )
        if self.generate is not None and self.truncate:
            raise MisuseError("truncate=True cuts what a head reads: a prompt is not cut")

    def findings(self, example: Example, written: str) -> list[Finding]:
        """What was found, read from what the model wrote.

        Raises:
            MisuseError: a function that gives anything but pairs of a text and its label.
        """
        if self.read == "json":
            return list(_in_json(written))
        if self.read == "lines":
            assert self.label is not None
            return [(line.strip(), self.label) for line in written.splitlines() if line.strip()]
        found = list(self.read(written))
        for finding in found:
            if not _is_finding(finding):
                raise MisuseError(
                    f"read gave {finding!r} for example {example.label}; expected pairs of a text and its label"
                )
        return found

    @property
    def signature(self) -> str:
        """All settings that change the output."""
        if self.generate is None:
            return "task:extract|by:head" + ("|truncate:yes" if self.truncate else "")
        how = self.read if isinstance(self.read, str) else getattr(self.read, "__qualname__", repr(self.read))
        named = f"-{self.label}" if self.label is not None else ""
        return f"task:extract|read:{how}{named}|{self.generate.signature}"


_MOST_STARTS = 1000
"""Brackets at which a value may begin: each may be read to the end of the text in vain."""


def _in_json(written: str) -> Iterator[Finding]:
    """The findings of the first JSON object or list in a text."""
    starts = (place for place, character in enumerate(written) if character in "[{")
    for start in islice(starts, _MOST_STARTS):
        try:
            value, _ = json.JSONDecoder().raw_decode(written, start)
        except (ValueError, RecursionError):  # too many digits, nested too deeply
            continue
        yield from _of_value(value)
        return


def _of_value(value: Any) -> Iterator[Finding]:
    if isinstance(value, dict):
        pairs = [(text, label) for label, texts in value.items() if isinstance(texts, list) for text in texts]
    else:
        pairs = [(item.get("text"), item.get("label")) for item in value if isinstance(item, dict)]
    yield from filter(_is_finding, pairs)


def _is_finding(value: Any) -> bool:
    pair = isinstance(value, tuple) and len(value) == 2
    return pair and all(isinstance(part, str) and part.strip() for part in value)
