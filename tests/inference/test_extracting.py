"""Finding entities: in characters or words, by a head or in what a model writes; what stands nowhere is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pytest_llm import (
    Extract,
    Generate,
    MisuseError,
    assert_entity_f1_above,
    assert_entity_precision_above,
    load_examples,
    measure,
)
from pytest_llm.inference.answering import answer
from tests.stub_models import UniformModel

TEXT = "Press Ctrl+C or Alt; Altitude is no key."
ROWS = [{"text": TEXT, "target": [(6, 12, "KEY"), (16, 19, "KEY")]}]
TAGGED = [
    {
        "text": TEXT,
        "tokens": ["Press", "Ctrl", "+", "C", "or", "Alt", ";", "Altitude", "is", "no", "key", "."],
        "target": ["O", "B-KEY", "I-KEY", "I-KEY", "O", "B-KEY", "O", "O", "O", "O", "O", "O"],
    }
]
KEYS = Extract(Generate("Keys in {text}, one a line:"), read="lines", label="KEY")


class Finder:
    """Finds what it is told to, in every text."""

    def __init__(self, *spans: Any) -> None:
        self.spans = list(spans)

    def extract(self, texts: Sequence[str]) -> list[Any]:
        return [self.spans for _ in texts]


class Writer:
    """Writes what it is told to, after every prompt."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.prompts: list[str] = []

    def generate(self, prompts: Sequence[str], decoding: Any) -> list[str]:
        self.prompts += prompts
        return [self.text for _ in prompts]


def test_a_head_is_asked_for_characters() -> None:
    measured = assert_entity_f1_above(Finder((6, 12, "KEY"), (0, 5, "KEY")), ROWS, 0.4)
    assert measured.value == 0.5
    assert measured.signature.endswith("task:extract|by:head")


def test_beside_tags_characters_become_words() -> None:
    examples = load_examples(TAGGED)
    assert answer(Finder((6, 12, "KEY"), (21, 29, "KEY")), examples, Extract()) == [[(1, 4, "KEY"), (7, 8, "KEY")]]
    assert measure(Finder((6, 12, "KEY"), (16, 19, "KEY")), TAGGED, "entity_f1").value == 1
    assert measure(Finder((6, 10, "KEY"), (16, 19, "KEY")), TAGGED, "entity_f1").value == 0.5  # Ctrl without +C
    assert measure(Finder((6, 10, "KEY"), (16, 19, "KEY")), TAGGED, "entity_f1", match="overlap").value == 1


@pytest.mark.parametrize("rows", [ROWS, TAGGED])
def test_what_is_written_is_looked_up_in_the_text(rows: Any) -> None:
    model = Writer("Ctrl+C\n Alt \n\n")
    assert measure(model, rows, "entity_f1", task=KEYS).value == 1  # not the Alt of Altitude
    assert model.prompts == [f"Keys in {TEXT}, one a line:"]


@pytest.mark.parametrize("rows", [ROWS, TAGGED])
@pytest.mark.parametrize("match", ["strict", "overlap"])
def test_what_stands_nowhere_in_the_text_is_wrong(rows: Any, match: Any) -> None:
    model = Writer("Ctrl+C\nSuper\nShift\nAlt")
    assert assert_entity_precision_above(model, rows, 0.4, task=KEYS, match=match).value == 0.5


def test_a_text_that_stands_twice_is_found_twice() -> None:
    (found,) = answer(Writer('{"X": ["a", "a"]}'), load_examples(["a b a"]), Extract(Generate()))
    assert found == [(0, 1, "X"), (4, 5, "X")]


@pytest.mark.parametrize(
    "written",
    [
        '{"KEY": ["Ctrl+C", "Alt"]}',
        'Sure! [{"text": "Ctrl+C", "label": "KEY"}, {"text": "Alt", "label": "KEY"}] Anything else?',
        'A list [as asked]: {"KEY": ["Ctrl+C", "Alt", 3, ""], "OTHER": "none"}',
    ],
)
def test_json_is_read_wherever_it_begins(written: str) -> None:
    assert measure(Writer(written), ROWS, "entity_f1", task=Extract(Generate())).value == 1


@pytest.mark.parametrize("written", ["", "none", "{", "[1, 2]", '["Ctrl+C"]', "{}"])
def test_what_cannot_be_read_is_no_finding(written: str) -> None:
    assert answer(Writer(written), load_examples(ROWS), Extract(Generate())) == [[]]


def test_a_function_may_read() -> None:
    task = Extract(Generate(), read=lambda written: [(part, "KEY") for part in written.split(", ")])
    assert measure(Writer("Ctrl+C, Alt"), ROWS, "entity_f1", task=task).value == 1
    with pytest.raises(MisuseError, match="read gave 'Ctrl' for example #0; expected pairs of a text and its label"):
        measure(Writer(""), ROWS, "entity_f1", task=Extract(Generate(), read=lambda _: ["Ctrl"]))  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("model", "rows", "message"),
    [
        (UniformModel(), ROWS, "UniformModel cannot say where the entities of a text are"),
        (Finder("KEY"), ROWS, r"Finder.extract returned \['KEY'\] for #0; expected a list of \(start, end, label\)"),
        (
            Finder(),
            [{**TAGGED[0], "tokens": None}],
            "is 12 tags: give the words that they belong to, as many, in the column",
        ),
        (
            Finder(),
            [{**TAGGED[0], "tokens": ["Strange", *TAGGED[0]["tokens"][1:]]}],
            "the word 'Strange' of example #0 does not stand in its text where it should",
        ),
    ],
)
def test_what_gives_no_number_is_refused(model: Any, rows: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        assert_entity_f1_above(model, rows, 0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"read": "yaml"}, "read='yaml': expected 'json', 'lines' or a function"),
        ({"generate": Generate(), "read": "lines"}, "lines need a label"),
        ({"generate": Generate(), "label": "KEY"}, "nothing else has one"),
        ({"read": str.split}, "say what it writes after, generate=Generate"),
        ({"generate": Generate(), "truncate": True}, "a prompt is not cut"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Extract(**settings)


def test_the_signature_holds_all_that_changes_the_findings() -> None:
    tasks = [Extract(), Extract(truncate=True), Extract(Generate()), Extract(Generate("{text}:")), KEYS]
    assert len({task.signature for task in tasks}) == len(tasks)
