"""What cannot be seen is named."""

from __future__ import annotations

import pytest

from pytest_llm.adversarial.edit import Edit, EditScript
from pytest_llm.adversarial.rendering import script_lines, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words, 3 of them", "plain words, 3 of them"),
        ("ab\u200cc", "ab<U+200C ZERO WIDTH NON-JOINER>c"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("a\u00a0b", "a<U+00A0 NO-BREAK SPACE>b"),
        ("\x08", "<U+0008 without a name>"),
        ("\ud800", "<U+D800 without a name>"),
        ("p\u0430ypal", "p<U+0430 CYRILLIC SMALL LETTER A>ypal"),
        ("Привет 你好 naïve", "Привет 你好 naïve"),
    ],
)
def test_characters(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_script_is_shown_from_around_its_first_edit_to_around_its_last() -> None:
    text = "x" * 100 + " film " + "y" * 100
    lines = list(script_lines(EditScript(text, (Edit(101, 105, "film", "fi\u200clm", "unicode.zero_width"),))))
    assert lines == [
        f"  - …{'x' * 29} film {'y' * 29}…",
        f"  + …{'x' * 29} fi<U+200C ZERO WIDTH NON-JOINER>lm {'y' * 29}…",
        "    1. unicode.zero_width@101: 'film' → 'fi<U+200C ZERO WIDTH NON-JOINER>lm'",
    ]


def test_a_text_without_edits_is_one_line() -> None:
    assert list(script_lines(EditScript("as it is"))) == ["  - as it is"]
