"""The small sets for each form of task are what their README says, and fit to be measured on."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_llm import embedded, load_examples
from pytest_llm.data.loading import Columns

README = (Path(__file__).parent.parent / "fixtures" / "README.md").read_text(encoding="utf-8")
ROWS = {name: int(rows) for name, rows in re.findall(r"^\| `(\w+)\.jsonl` \| (\d+) \|", README, re.MULTILINE)}
KEYS = {
    "translation_en_de": {"text", "target", "cluster"},
    "translation_en_zh": {"text", "target", "cluster"},
    "translation_es_en": {"text", "target", "cluster"},
    "summaries": {"text", "target"},
    "gaps": {"text", "target", "cluster"},
    "terms": {"text", "tokens", "tags", "cluster"},
    "languages": {"text", "target", "cluster"},
    "topics": {"text", "target", "cluster"},
    "multiple_choice": {"text", "choices", "target", "cluster"},
    "questions_synthetic": {"text", "context", "target", "cluster"},
    "transcripts": {"hypothesis", "target", "audio", "seconds"},
    "ratings": {"rater", "item", "score"},
    "preferences": {"rater", "winner", "loser", "tie"},
}
MARKUP = re.compile(r"</?[a-z]+[ />]|&[a-z]+;|\ufffd|\s\s|^\s|\s$")


def rows(name: str) -> list[dict[str, Any]]:
    with embedded(f"data/{name}.jsonl").open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def strings(value: object) -> list[str]:
    """All strings in a row."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in strings(part)]


def test_the_readme_lists_every_set() -> None:
    assert ROWS.keys() == KEYS.keys()


@pytest.mark.parametrize("name", KEYS)
class TestEach:
    def test_has_the_rows_that_the_readme_says(self, name: str) -> None:
        assert 100 <= len(rows(name)) == ROWS[name]

    def test_has_unique_ids_and_the_keys_of_its_form(self, name: str) -> None:
        assert len({row["id"] for row in rows(name)}) == ROWS[name]
        assert all(row.keys() == KEYS[name] | {"id"} for row in rows(name))

    def test_is_clean_text(self, name: str) -> None:
        for row in rows(name):
            assert not [text for text in strings(row) if not text or MARKUP.search(text)]

    def test_says_nothing_twice(self, name: str) -> None:
        told = [json.dumps({key: value for key, value in row.items() if key != "id"}) for row in rows(name)]
        assert len(set(told)) == len(told)


@pytest.mark.parametrize("name", sorted(name for name, keys in KEYS.items() if "text" in keys))
def test_sets_of_texts_load_as_examples(name: str) -> None:
    examples = load_examples(embedded(f"data/{name}.jsonl"))
    assert len(examples) == len({example.text for example in examples}) == ROWS[name]
    assert sum(example.cluster is not None for example in examples) == (ROWS[name] if "cluster" in KEYS[name] else 0)


def test_transcripts_load_as_examples() -> None:
    assert (
        len(load_examples(embedded("data/transcripts.jsonl"), columns=Columns(text="hypothesis")))
        == ROWS["transcripts"]
    )


def test_both_translations_are_of_the_same_paragraphs_in_two_scripts() -> None:
    german, chinese = rows("translation_en_de"), rows("translation_en_zh")
    assert [(row["id"], row["text"]) for row in german] == [(row["id"], row["text"]) for row in chinese]
    for row in german:
        assert row["target"] != row["text"]
        assert row["target"][-1] in ".!?…"
    for row in chinese:
        assert len(re.findall("[\u4e00-\u9fff]", row["target"])) > len(row["target"]) / 2


def test_two_references_of_a_verse_differ() -> None:
    for row in rows("translation_es_en"):
        assert len({row["text"], *row["target"]}) == 3


def test_summaries_are_short_and_not_copied() -> None:
    for row in rows("summaries"):
        assert row["target"] not in row["text"]
        assert len(row["target"].split()) < len(row["text"].split()) / 2


def test_gaps_are_one_or_two_words_and_the_rest_stands_in_the_sentence() -> None:
    for row in rows("gaps"):
        pattern = r"([\w']+(?: [\w']+)?)".join(map(re.escape, row["text"].split("<|mask|>")))
        assert row["text"].count("<|mask|>") == 2
        assert re.fullmatch(pattern, row["target"])


@pytest.mark.parametrize(("name", "classes"), [("languages", 14), ("topics", 10)])
def test_classes_are_balanced(name: str, classes: int) -> None:
    assert set(Counter(row["target"] for row in rows(name)).values()) == {ROWS[name] // classes}


def test_right_choices_are_balanced_and_among_four_different_ones() -> None:
    questions = rows("multiple_choice")
    assert set(Counter(row["target"] for row in questions).values()) == {ROWS["multiple_choice"] // 4}
    assert all(len({choice.casefold() for choice in row["choices"]}) == 4 for row in questions)


def test_answers_stand_in_their_passage() -> None:
    for row in rows("questions_synthetic"):
        assert row["target"]
        assert all(answer in row["context"] for answer in row["target"])


def test_tags_are_bio_and_cover_the_text() -> None:
    begun = Counter[str]()
    for row in rows("terms"):
        assert len(row["tokens"]) == len(row["tags"])
        assert "".join(row["tokens"]) == "".join(row["text"].split())
        for before, tag in zip(["O", *row["tags"]], row["tags"], strict=False):
            assert re.fullmatch("O|[BI]-(GUI|APP|KEY|FILE|CODE)", tag)
            assert not tag.startswith("I") or before[1:] == tag[1:]
            begun[tag] += tag.startswith("B")
    assert min(begun[f"B-{kind}"] for kind in ("GUI", "APP", "KEY", "FILE", "CODE")) >= 25


def test_transcripts_are_a_recognisers_good_and_bad() -> None:
    def words(text: str) -> list[str]:
        return re.sub(r"[^\w' ]", " ", text.casefold()).split()

    right = sum(words(row["hypothesis"]) == words(row["target"]) for row in rows("transcripts"))
    assert 0.2 < right / ROWS["transcripts"] < 0.8


def test_ratings_are_crossed() -> None:
    ratings = rows("ratings")
    assert {row["score"] for row in ratings} == set(range(1, 8))
    assert len({row["rater"] for row in ratings}) == 40
    assert len({row["item"] for row in ratings}) == 12


def test_preferences_compare_six_with_each_other() -> None:
    pairs = {frozenset((row["winner"], row["loser"])) for row in rows("preferences")}
    assert len(pairs) == 15
    assert len(frozenset[str]().union(*pairs)) == 6
    assert sum(row["tie"] for row in rows("preferences")) == 46
