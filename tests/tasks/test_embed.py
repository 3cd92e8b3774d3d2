"""Embed: what documents may be, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llm import Embed, MisuseError, load_examples

ROWS = [{"id": "a", "text": "one"}, {"id": "b", "text": "two"}]


@pytest.mark.parametrize("documents", [ROWS, {"a": "one", "b": "two"}, load_examples(ROWS)])
def test_documents_are_known_by_their_ids(documents: Any) -> None:
    task = Embed(documents)
    assert task.ids == ["a", "b"]
    assert task.texts(()) == ([], ["one", "two"])


def test_bare_texts_are_known_by_their_place() -> None:
    assert Embed(["one", "two"]).ids is None


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([{"id": "a", "text": "one"}, {"text": "two"}], "some documents have an id and others none"),
        ([], "no data"),
        (["one", "one"], "the same text"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(documents: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Embed(documents)


def test_a_template_with_broken_braces_is_refused() -> None:
    with pytest.raises(MisuseError, match=r"query='\{text': expected '}'"):
        Embed(ROWS, query="{text")


def test_the_signature_changes_with_all_that_changes_the_ranking() -> None:
    tasks = [
        Embed(ROWS),
        Embed([*ROWS, {"id": "c", "text": "three"}]),
        Embed([{**ROWS[0], "text": "won"}, ROWS[1]]),
        Embed(ROWS, query="query: {text}"),
        Embed(ROWS, document="passage: {text}"),
        Embed(ROWS, truncate=True),
    ]
    assert len({task.signature for task in tasks}) == len(tasks)
    assert Embed(ROWS).signature == Embed(load_examples(ROWS)).signature
