"""Generate: what is handed to the model, and what filters make of its text."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_llm import Decoding, Example, Generate, MisuseError, Prompt

EXAMPLE = Example("id", "text", "label")


@pytest.mark.parametrize(
    ("filter_", "text", "output"),
    [
        ("strip", " a \nb ", "a \nb"),
        ("none", " a \nb ", " a \nb "),
        ("first_line", "\n a \nb ", "a"),
        ("first_line", "", ""),
        (re.compile(r"\d+"), "about 42 or 43", "42"),
        (re.compile(r"is (\w+)"), "it is Paris, is it", "Paris"),
        (re.compile(r"is (\w+)|not"), "not", ""),
        (re.compile(r"\d+"), "none", ""),
        (str.upper, "a", "A"),
        (lambda text: text.split(":")[-1], "x:y", "y"),
    ],
)
def test_a_filter_makes_the_output_of_the_text(filter_: Any, text: str, output: str) -> None:
    assert Generate(filter=filter_).read(EXAMPLE, text) == output


def test_a_filter_that_gives_no_text_is_refused() -> None:
    with pytest.raises(MisuseError, match="the filter gave 1 for example label; expected a string"):
        Generate(filter=len).read(EXAMPLE, "a")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["first", "", "Strip"])
def test_an_unknown_filter_is_refused_with_those_there_are(wrong: str) -> None:
    with pytest.raises(
        MisuseError, match=r"expected one of 'strip', 'none', 'first_line', re.compile\(…\) or a function"
    ):
        Generate(filter=wrong)


def test_settings_of_decoding_are_gathered() -> None:
    task = Generate(max_tokens=7, stop="\n", temperature=0.5, top_k=3, top_p=0.9, seed=4)
    assert task.decoding == Decoding(7, ("\n",), 0.5, 3, 0.9, 4, 1)
    assert Generate().decoding == Decoding()


def test_a_prompt_may_be_made_beforehand() -> None:
    prompt = Prompt("Say: {text}", system="Speak!")
    assert Generate(prompt).prompt is prompt
    assert Generate("Say: {text}", system="Speak!").prompt == prompt


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_tokens": 0}, "max_tokens=0: expected a whole number, at least 1"),
        ({"max_tokens": 2.5}, r"max_tokens=2\.5"),
        ({"max_tokens": True}, "max_tokens=True"),
        ({"beams": 0}, "beams=0"),
        ({"top_k": 0, "temperature": 1.0}, "top_k=0"),
        ({"top_k": 5}, "draw at random: give a temperature above 0"),
        ({"top_p": 0.9}, "draw at random: give a temperature above 0"),
        ({"top_p": 1.5, "temperature": 1.0}, r"top_p=1\.5: expected a number in \(0, 1\]"),
        ({"temperature": -1.0}, r"temperature=-1\.0"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"temperature": 1.0, "beams": 2}, "leave temperature at 0"),
        ({"stop": ""}, "expected strings that are not empty"),
        ({"stop": ["\n", ""]}, "expected strings that are not empty"),
        ({"prompt": "{"}, "for braces that are meant"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Generate(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"prompt": "{text}!"},
        {"filter": "none"},
        {"filter": re.compile("a")},
        {"filter": str.upper},
        {"max_tokens": 65},
        {"stop": "\n"},
        {"temperature": 0.5},
        {"temperature": 0.5, "seed": 1},
        {"temperature": 0.5, "top_k": 2},
        {"beams": 2},
        {"chat": True},
    ],
)
def test_whatever_changes_the_text_changes_the_signature(settings: dict[str, Any]) -> None:
    without = {name: value for name, value in settings.items() if name == "temperature" and len(settings) > 1}
    assert Generate(**settings).signature != Generate(**without).signature
