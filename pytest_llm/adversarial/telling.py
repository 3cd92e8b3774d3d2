"""Counter-examples, told to who listens: see `recording.Broken`."""

from __future__ import annotations

from pytest_llm.adversarial.attacking import Attacks
from pytest_llm.adversarial.corpus import Entry
from pytest_llm.adversarial.describing import shown
from pytest_llm.adversarial.edit import Edit
from pytest_llm.recording import Broken, record_broken


def tell_of_attacks(attacks: Attacks) -> None:
    """All that a search found, with the smallest edits."""
    for attack in attacks.of_each:
        if (found := attack.counter_example) is not None:
            became = shown(found.clean), shown(found.smallest.observed)
            edits = tuple(map(_edit, found.script.edits))
            record_broken(Broken(found.script.text, edits, became, attack.example.label, found.relation))


def tell_of_entry(entry: Entry) -> None:
    """What a test of Hypothesis ended with."""
    record_broken(Broken(entry.text, tuple(map(_edit, entry.edits)), ("", entry.observed), relation=entry.relation))


def _edit(edit: Edit) -> tuple[int, int, str, str]:
    return edit.start, edit.end, edit.new, edit.operation
