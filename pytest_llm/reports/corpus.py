"""What is said of counter-examples: those that returned, those that are new, and how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pytest_llm.adversarial.corpus import Entry
from pytest_llm.adversarial.edit import EditScript
from pytest_llm.adversarial.rendering import script_lines
from pytest_llm.errors import MisuseError


def returned_lines(returned: Sequence[tuple[Entry, object]]) -> Iterator[str]:
    """One paragraph for each entry that was fixed and fails again, with what it says now."""
    for entry, error in returned:
        lines = [f"{entry.id} returned: it was fixed, and fails again: {error}", *entry_lines(entry)]
        yield "\n".join([*lines, f"  replay: pytest --llm-replay {entry.id}"])


def found_lines(entries: Iterable[Entry], *, kept: bool) -> Iterator[str]:
    """What was found, and how it is kept and tried again."""
    for entry in entries:
        yield f"{entry.id}: {entry.observed}"
        yield from entry_lines(entry)
        yield (
            f"  kept as open; replay: pytest --llm-replay {entry.id}"
            if kept
            else "  keep it with --llm-update-corpus: then it is tried first, and known"
        )


def listed_lines(path: Path, entry: Entry) -> Iterator[str]:
    """One entry for people, with the file that it is in."""
    what = f" ({entry.relation})" if entry.relation else ""
    yield f"{entry.id}  {entry.state:<8}  {path}::{entry.test}{what}: {entry.observed}"
    yield from entry_lines(entry)


def entry_lines(entry: Entry) -> Iterator[str]:
    """The text and its edits, or what stands for another input; of a stale entry, what does not fit."""
    try:
        given = entry.input
    except MisuseError as error:
        return iter([f"  stale: {error}"])
    return script_lines(given if isinstance(given, EditScript) else EditScript(entry.text))


COUNTED = ("returned", "new", "known", "held", "accepted", "stale", "not tried", "not kept", "wrong without edits")


def summary_line(counts: Counter[str]) -> str:
    """How many of each there were, those first that matter most."""
    said = ", ".join(f"{counts[name]} {name}" for name in COUNTED if counts[name])
    return f"llm corpus: {said}"
