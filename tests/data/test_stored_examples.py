"""Packed examples are the examples again, but for their texts."""

from __future__ import annotations

import os
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_llm.data.example import Example
from pytest_llm.data.loading import load_examples
from pytest_llm.data.stored_examples import StoredExamples
from pytest_llm.storage import growing_array

COUNT = 2500
"""Two blocks and a part of a third."""


def rows() -> list[Any]:
    """Every combination of what a row may have, and texts that UTF-8 cannot hold."""
    made: list[Any] = []
    for number in range(COUNT):
        text = f"{number} \ud800 ümläut 日本 " * 5
        row: dict[str, Any] = {"text": text}
        if number & 1:
            row["id"] = f"ïd {number}"
        if number & 2:
            row["cluster"] = number % 7
        if number & 4:
            row["target"] = ["a", number]
        made.append(row if number % 3 else text)
    return made


def kept(examples: tuple[Example, ...]) -> StoredExamples:
    made = StoredExamples()
    for example in examples:
        made.append(example)
    return made


def facts(example: Example) -> tuple[object, ...]:
    return example.id, example.label, example.unit, example.content, example.text[:80]


def test_all_that_a_baseline_needs_is_kept_in_order() -> None:
    examples = load_examples(rows())
    packed = kept(examples)
    assert len(packed) == COUNT
    assert [facts(example) for example in packed] == [facts(example) for example in examples]
    assert all(len(example.text) <= 80 and example.target is None for example in packed)


def test_any_of_them_can_be_looked_at() -> None:
    examples = load_examples(rows())
    packed = kept(examples)
    generator = random.Random(1)
    for place in [0, 1023, 1024, COUNT - 1, -1, -COUNT, *(generator.randrange(COUNT) for _ in range(50))]:
        assert facts(packed[place]) == facts(examples[place])
    assert [facts(example) for example in packed[1020:1030:3]] == [facts(one) for one in examples[1020:1030:3]]
    for place in (COUNT, -COUNT - 1):
        with pytest.raises(IndexError):
            packed[place]


def test_some_are_kept_whole() -> None:
    examples = load_examples(rows())
    packed = kept(examples)
    for place in (3, 1500, COUNT - 1):
        packed.keep_whole(place, examples[place])
    assert all(packed[place] is examples[place] for place in (3, 1500, COUNT - 1))
    assert list(packed)[1500] is examples[1500]


def test_beyond_some_bytes_they_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[Any] = []

    def open_file(**settings: Any) -> Any:
        opened.append(unnamed(dir=tmp_path, **settings))
        return opened[-1]

    unnamed = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", open_file)
    monkeypatch.setattr(growing_array, "MOST_IN_MEMORY", 100)
    examples = load_examples(rows())
    packed = kept(examples)
    assert [os.fstat(file.fileno()).st_size > 10_000 for file in opened] == [
        True
    ]  # of where its blocks begin there are few
    assert [facts(example) for example in packed] == [facts(example) for example in examples]
    assert facts(packed[5]) == facts(examples[5])
    packed.append(examples[7])  # what was read in between does not matter
    assert [facts(example) for example in packed] == [facts(example) for example in (*examples, examples[7])]


@pytest.mark.parametrize("place", [0, 1500, COUNT - 1])
def test_they_know_whether_one_belongs_to_a_cluster(place: int) -> None:
    examples = [Example(str(number), "text", str(number)) for number in range(COUNT)]
    assert not kept(tuple(examples)).clustered
    examples[place] = replace(examples[place], cluster="a")
    assert kept(tuple(examples)).clustered
