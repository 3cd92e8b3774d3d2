"""Sentences with gaps."""

from __future__ import annotations

import pytest

from pytest_llm import MisuseError
from pytest_llm.adversarial.template import Template


def test_gaps_are_filled_with_the_article_that_fits() -> None:
    template = Template("{A:job} is {a:job}, says {name}.")
    assert template.fields == ("job", "name")
    assert template.fill({"job": "engineer", "name": "Mei"}).text == "An engineer is an engineer, says Mei."
    assert template.fill({"job": "nurse", "name": "Raj"}).values == {"job": "nurse", "name": "Raj"}


def test_all_fillings_in_order() -> None:
    filled = Template("{x}{y}").all({"x": "ab", "y": "12"})
    assert [one.text for one in filled] == ["a1", "a2", "b1", "b2"]


@pytest.mark.parametrize("pattern", ["{", "{name", "{an:job}", "{name!r}", "{}", 3])
def test_other_braces_are_refused(pattern: str) -> None:
    with pytest.raises(MisuseError, match="expected a text with gaps"):
        Template(pattern)


def test_a_gap_without_words_is_refused() -> None:
    with pytest.raises(MisuseError, match="no value for name of"):
        Template("{name}").fill({})
    with pytest.raises(MisuseError, match="no words for name of"):
        list(Template("{name}").all({}))
