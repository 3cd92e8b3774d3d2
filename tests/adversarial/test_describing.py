"""A counter-example for people: tokens that became others, and the worst one where it is another."""

from __future__ import annotations

from dataclasses import replace

from pytest_llm.adversarial.counter_example import CounterExample, Finding, Queries
from pytest_llm.adversarial.describing import described, token_changes
from pytest_llm.adversarial.edit import Edit, EditScript

TEXT = "a fine old film"
FINE, OLD = Edit(2, 6, "fine", "fi\u200bne", "unicode.zerowidth"), Edit(7, 10, "old", "odl", "typo.swap")
FOUND = CounterExample(
    Finding(EditScript(TEXT, (FINE,)), 0.25, {"label": "negative", "probability": 0.625}),
    Finding(EditScript(TEXT, (FINE, OLD)), 0.5, {"label": "negative", "probability": 0.75}),
    "invariant_label",
    {},
    {"label": "positive", "probability": 0.875},
    "smallest",
    Queries(20, 17, 3),
    confirmed=True,
)


def test_it_shows_all_that_explains_a_failure() -> None:
    assert list(described(FOUND, "#3", str.split)) == [
        "#3: 1 edit, no fewer edits break it; 20 texts requested, 17 executed, 3 batches",
        "  - a fine old film   label 'positive', probability 0.875",
        "  + a fi<U+200B ZERO WIDTH SPACE>ne old film   label 'negative', probability 0.625",
        "    1. unicode.zerowidth@2: 'fine' → 'fi<U+200B ZERO WIDTH SPACE>ne'",
        "    tokens [fine] → [fi<U+200B ZERO WIDTH SPACE>ne]",
        "    worst: label 'negative', probability 0.75 with 2 edits: a fi<U+200B ZERO WIDTH SPACE>ne odl film",
        "    asked about alone, it breaks too",
    ]


def test_what_was_not_tried_is_not_shown() -> None:
    lines = list(described(replace(FOUND, worst=FOUND.smallest, confirmed=None), "#3"))
    assert not any(line.strip().startswith(("tokens", "worst", "asked")) for line in lines)


def test_each_stretch_of_changed_tokens_is_named() -> None:
    changes = token_changes(["a", "b", "c", "d"], ["a", "x", "y", "c", "d", "e"])
    assert list(changes) == ["[b] → [x, y]", "[] → [e]"]
