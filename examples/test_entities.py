"""A rule that finds keyboard shortcuts in help pages, held against what the authors marked up.

Whatever finds entities, a rule or a model, its findings stand in a list: here one tag a word.
"""

import pytest

from pytest_llm import Columns, assert_entity_f1_above, assert_entity_precision_above, embedded, load_examples

PARAGRAPHS = load_examples(embedded("data/terms.jsonl"), columns=Columns(target="tags"))
KEYS = {"Ctrl", "Alt", "Super", "Shift", "Tab", "Enter", "Esc", "Delete", "Home", "End", "Space", "Backspace"}


def tags_of(words: list[str]) -> list[str]:
    """A shortcut begins with the name of a key, and goes on with a plus and whatever follows it."""
    tags: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        goes_on = bool(tags) and tags[-1] != "O" and "+" in (before, word)
        tags.append("I-KEY" if goes_on else "B-KEY" if word in KEYS else "O")
    return tags


FOUND = [tags_of(paragraph.row["tokens"]) for paragraph in PARAGRAPHS]


def test_most_shortcuts_are_found() -> None:
    assert_entity_f1_above(FOUND, PARAGRAPHS, 0.7, label="KEY")  # 0.77
    assert_entity_f1_above(FOUND, PARAGRAPHS, 0.75, label="KEY", match="overlap")  # 0.82, with those found in part


def test_what_is_found_is_nearly_always_one() -> None:
    assert_entity_precision_above(FOUND, PARAGRAPHS, 0.8, label="KEY")  # 0.86


def test_over_all_labels_it_finds_little() -> None:
    """Menus, files and code are terms too: the message counts each label by itself."""
    with pytest.raises(AssertionError, match=r"FILE +49 +0 +0"):
        assert_entity_f1_above(FOUND, PARAGRAPHS, 0.7)
