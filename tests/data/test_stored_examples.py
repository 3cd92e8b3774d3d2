"""Packed examples are the examples again, but for their texts."""

from __future__ import annotations

import gc
import io
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pytest_llm.data import stored_examples
from pytest_llm.data.example import Example
from pytest_llm.data.loading import load_examples
from pytest_llm.data.stored_examples import StoredExamples

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


@pytest.mark.filterwarnings("error")
def test_beyond_some_bytes_they_lie_in_a_file_that_goes_with_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(stored_examples, "_MOST_IN_MEMORY", 100)
    examples = load_examples(rows())
    packed = kept(examples)
    file = packed._file
    assert os.fstat(file.fileno()).st_size > 10_000
    assert packed._in_memory == 0
    assert list(tmp_path.iterdir()) == []  # it has no name
    assert [facts(example) for example in packed] == [facts(example) for example in examples]
    assert facts(packed[5]) == facts(examples[5])
    del packed
    gc.collect()
    assert file.closed


@pytest.mark.parametrize("written", [0, 1])
def test_where_there_is_no_room_for_a_file_they_stay_in_memory(
    written: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Full(io.BytesIO):
        blocks = 0

        def write(self, block: Any) -> int:
            if self.blocks == written:
                return super().write(block[:7])
            self.blocks += 1
            return super().write(block)

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **settings: Full())
    monkeypatch.setattr(stored_examples, "_MOST_IN_MEMORY", 100)
    examples = load_examples(rows())
    with caplog.at_level("INFO", logger="pytest_llm"):
        packed = kept(examples)
    assert [facts(example) for example in packed] == [facts(example) for example in examples]
    assert sum(isinstance(block, bytes) for block in packed._blocks) == 2 - written
    assert caplog.messages == ["packed examples stay in memory: the disk is full"]
