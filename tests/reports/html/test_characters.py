"""Nothing that nobody sees reaches a page, and nothing that is there to be read is hidden behind a name."""

from __future__ import annotations

import html
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.reports.html.characters import plain, shown


def read(markup: str) -> str:
    """What a browser makes of it."""
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\u202eb", "aU+202E RIGHT-TO-LEFT OVERRIDEb"),
        ("a\u200b\u200b\u200bb", "aU+200B ZERO WIDTH SPACE ×3b"),
        ("\x1b[31m", "U+001B without a name[31m"),
        ("a\u00a0b", "aU+00A0 NO-BREAK SPACEb"),
        ("a\ufe0e", "aU+FE0E VARIATION SELECTOR-15"),
        ("\U000e0041", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("\ud800", "U+D800 without a name"),
        ("p\u0430ypal", "pU+0430 CYRILLIC SMALL LETTER Aypal"),
        ("e" + "\u0301" * 30, "e" + "\u0301" * 4 + "more combining marks ×26"),
        ("\u3164", "U+3164 HANGUL FILLER"),
        ("a\u2028b", "aU+2028 LINE SEPARATORb"),
    ],
)
def test_it_is_named(text: str, said: str) -> None:
    assert read(shown(text)) == said
    assert plain(text).translate({ord(one): "" for one in "<>"}) == said


@pytest.mark.parametrize(
    "text",
    ["line\nline\ttab", "naïve café e\u0301", "Привет, мир", "नमस्ते", "مرحبا", "日本語", "☀️ 👍🏽", "ﬁ – “quoted” …"],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert read(shown(text)) == text


@given(st.text(st.characters()))
def test_no_text_breaks_out_and_none_of_it_is_lost(text: str) -> None:
    markup = str(shown(text))
    assert set(re.findall(r"<[^>]*>", markup)) <= {'<span class="unseen">', "</span>"}
    told = re.sub(r'<span class="unseen">[^<]*</span>', "", markup)
    assert not any(unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Cn") and one not in "\n\t" for one in told)
    kept = html.unescape(told)
    rest = iter(text)
    assert all(one in rest for one in kept)  # in the order of the text


@given(st.text(st.characters()))
def test_a_name_stands_on_one_line(text: str) -> None:
    assert "\n" not in plain(text)
    plain(text).encode("utf-8")
