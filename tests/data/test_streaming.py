"""Streams: the examples of a list, one at a time; what is drawn of them, what is kept, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest

from pytest_llm import Columns, MisuseError, load_examples, stream
from pytest_llm.data.sampling import Sample
from pytest_llm.data.streaming import as_stream, batches, drawn_from, paired_stream

ROWS = [{"id": f"r{i}", "text": f"text {i}", "target": f"target {i}", "cluster": i % 7} for i in range(50)]
EXAMPLES = load_examples(ROWS)


def written(path: Path, rows: Any = ROWS) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_stream_holds_the_examples_of_a_list(tmp_path: Path) -> None:
    assert tuple(stream(ROWS)) == EXAMPLES
    assert tuple(stream(written(tmp_path / "rows.jsonl"))) == EXAMPLES
    assert tuple(stream(iter(ROWS))) == EXAMPLES
    texts = [{"prose": row["text"]} for row in ROWS]
    assert tuple(stream(texts, columns=Columns(text="prose"))) == load_examples(texts, columns=Columns(text="prose"))


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_file_is_read_as_far_as_it_is_wanted(tmp_path: Path, kind: str) -> None:
    """Law: the first row comes before a mistake behind it is seen. Parquet is read in blocks of rows."""
    path = tmp_path / f"rows.{kind}"
    rows = [{"text": f"text {i}"} for i in range(3000)]
    data = datasets.Dataset.from_list(rows)
    if kind == "parquet":
        data.to_parquet(path)
    elif kind == "csv":
        data.to_csv(path, index=False)
        path.write_bytes(path.read_bytes() + b"\xff\n")
    else:
        path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows) + b"\xff\n")
    examples = iter(stream(path))
    assert next(examples).text == "text 0"
    if kind == "parquet":
        assert len(list(examples)) == 2999
    else:
        line = 3001 if kind == "jsonl" else 3002
        with pytest.raises(MisuseError, match=rf"rows.{kind} is not UTF-8: byte 0xff at offset \d+ \(line {line}\)"):
            list(examples)


def test_an_iterable_dataset_is_a_stream_by_itself() -> None:
    source = as_stream(datasets.Dataset.from_list(ROWS).to_iterable_dataset())
    assert source is not None
    assert tuple(source) == EXAMPLES
    assert source.rereadable
    assert as_stream(ROWS) is None
    assert as_stream(datasets.Dataset.from_list(ROWS)) is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no data"),
        (["a", ""], "the text of example #1 is empty"),
        (["a", "b", "a"], "examples #0 and #2 have the same id or text"),
        ([{"id": 1, "text": "a"}, {"id": 1, "text": "b"}], "examples #0 and #1 have the same id or text, '1'"),
        ([{"id": 1}], "has no column 'text'"),
    ],
)
def test_what_would_make_a_number_wrong_is_refused_when_it_comes(rows: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        list(stream(rows))


@pytest.mark.parametrize(
    "sample", [Sample(5), Sample(5, seed=1), Sample(0.1), Sample(0.001), Sample(0.99), Sample(500)]
)
def test_the_same_part_is_drawn_as_of_a_list(sample: Sample) -> None:
    kept, left_out = drawn_from(paired_stream(stream(ROWS), None), stream(ROWS), sample)
    places = sample.places([example.id for example in EXAMPLES])
    assert [example for example, _ in kept] == [EXAMPLES[place] for place in places]
    assert left_out == 50 - len(places)


def test_of_a_generator_a_number_can_be_drawn_and_no_share() -> None:
    source = stream(iter(ROWS))
    kept, _ = drawn_from(paired_stream(source, None), source, Sample(5))
    assert len(list(kept)) == 5
    with pytest.raises(MisuseError, match=r"--llm-limit 0.1 of data that can be read only once: give a number"):
        drawn_from(paired_stream(source, None), source, Sample(0.1))


def test_what_is_not_drawn_is_not_kept() -> None:
    alive = 0
    most = 0

    class Counted(dict[str, Any]):
        def __init__(self, row: dict[str, Any]) -> None:
            nonlocal alive, most
            super().__init__(row)
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def rows() -> Iterator[Counted]:
        return (Counted({"text": f"text {i}"}) for i in range(2000))

    source = stream(rows())
    kept, left_out = drawn_from(paired_stream(source, None), source, Sample(10))
    assert len(list(kept)) == 10
    assert left_out == 1990
    assert most < 20


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["a"] * 49, "49 predictions, but the data go on with r49"),
        (["a"] * 51, "more predictions than the 50 examples"),
    ],
)
def test_each_example_needs_its_output(outputs: list[str], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        list(paired_stream(stream(ROWS), outputs))


def test_batches_hold_everything_in_order() -> None:
    pairs = [(example, None) for example in EXAMPLES]
    for size in (1, 7, 50, 99):
        made = list(batches(pairs, size))
        assert [pair for batch in made for pair in batch] == pairs
        assert max(map(len, made)) == min(size, 50)
