"""What an attack or Hypothesis found reaches who listens, with the edits as they are."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llm.adversarial import Budget, InvariantLabel, Search, operations
from pytest_llm.adversarial.corpus import Entry
from pytest_llm.adversarial.edit import Edit, EditScript
from pytest_llm.adversarial.success_rate import measure_attack
from pytest_llm.adversarial.telling import tell_of_entry
from pytest_llm.recording import Broken, listening, recording
from pytest_llm.records.excerpts import Excerpts
from pytest_llm.records.notes import Notes


class Was:
    """Finds a text good as long as it says "was"."""

    def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        return [{"good": 0.8, "bad": 0.2} if "was" in text else {"good": 0.1, "bad": 0.9} for text in texts]


def test_each_counter_example_of_an_attack_is_told_with_its_measurement() -> None:
    excerpts = Excerpts()
    with listening(Notes(excerpts)), recording():
        measure_attack(
            Was(),
            ["It was here.", "They are there."],
            operations("unicode.zerowidth"),
            InvariantLabel(),
            budget=Budget(max_edits=1),
            search=Search(),
        )
    ((place, broken),) = excerpts.broken
    assert place == 0
    assert (broken.text, broken.label, broken.relation) == ("It was here.", "#0", "invariant_label")
    ((start, end, new, operation),) = broken.edits
    edit = Edit(start, end, broken.text[start:end], new, operation)
    assert "was" not in EditScript(broken.text, (edit,)).perturbed
    assert [said.split(",")[0] for said in broken.became] == ["label 'good'", "label 'bad'"]


def test_an_entry_is_told_with_what_the_model_did() -> None:
    excerpts = Excerpts()
    with listening(Notes(excerpts)), recording():
        tell_of_entry(Entry("test_it", "a text", (Edit(0, 1, "a", "b", "typo.key"),), observed="AssertionError: no"))
    expected = Broken("a text", ((0, 1, "b", "typo.key"),), ("", "AssertionError: no"))
    assert excerpts.broken == [(None, expected)]
