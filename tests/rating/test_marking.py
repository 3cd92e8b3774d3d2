"""What cannot be seen is marked, what does its work is left, and nothing of a text is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.rating.marking import blocks


def marks(text: str) -> list[str]:
    return [part.mark for block in blocks(text) for part in block.parts if part.mark]


@given(st.text(st.characters() | st.sampled_from("`~\n\u200b\r"), max_size=60))
def test_the_parts_are_the_text(text: str) -> None:
    assert "".join(part.text for block in blocks(text) for part in block.parts) == text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("zero\u200bwidth", "ZERO WIDTH SPACE"),
        ("no\u00a0break", "NO-BREAK SPACE"),
        ("over\u202eride", "RIGHT-TO-LEFT OVERRIDE"),
        ("\x1b[31m", "ESCAPE"),
        ("bare\rreturn", "CARRIAGE RETURN"),
        ("half \ud800", "without a name"),
        ("A\ufe0f", "VARIATION SELECTOR-16"),
        ("❤\ufe0f\U000e0101", "VARIATION SELECTOR-18"),
        ("smuggled \U000e0041", "TAG LATIN CAPITAL LETTER A"),
        ("a\u200db", "ZERO WIDTH JOINER"),
        ("\u3164", "HANGUL FILLER"),
        ("end\u200d", "ZERO WIDTH JOINER"),
    ],
)
def test_what_cannot_be_seen_is_named(text: str, named: str) -> None:
    assert marks(text) == [named]


@pytest.mark.parametrize(
    "text",
    [
        "plain, tab\tand\r\nlines",
        "❤\ufe0f 👩\u200d🔬 1\ufe0f\u20e3 🏴\U000e0067\U000e0062\U000e007f",
        "می\u200cخواهم",
        "क्\u200dष",
        "全\u3000角",
        "é e\u0301",
    ],
)
def test_what_does_its_work_is_left(text: str) -> None:
    assert marks(text) == []


def test_code_between_fences_is_one_block_with_its_fences() -> None:
    text = "so:\n\n```python\nif x:\n    ```y\n```\nthen\n~~~~\n~~~\nopen"
    assert [(block.is_code, "".join(part.text for part in block.parts)) for block in blocks(text)] == [
        (False, "so:\n"),
        (False, "\n"),
        (True, "```python\nif x:\n    ```y\n```\n"),
        (False, "then\n"),
        (True, "~~~~\n~~~\nopen"),
    ]


def test_control_characters_and_halves_of_pairs_have_no_form() -> None:
    formless = [part.code_point for block in blocks("\x00\ud800\u200b") for part in block.parts if not part.has_form]
    assert formless == ["U+0000", "U+D800"]
