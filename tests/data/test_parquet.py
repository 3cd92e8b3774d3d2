"""Rows of Parquet: what was written, whatever its layout; and no small file that unpacks to a large one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from pytest_llm import load_examples
from pytest_llm.data import parquet
from pytest_llm.errors import MisuseError

_ROWS: list[dict[str, Any]] = [
    {
        "text": f"question {number}",
        "n": None if number % 7 == 0 else number / 3,
        "choices": [f"choice {number % k}" for k in range(1, number % 5)],
        "messages": [{"role": "user", "content": "x" * number}, {"role": "assistant", "content": None}],
        "doc": {"query": "same for all", "gold": [number], "raw": b"\xff"},
        "maps": [("key", ["deep", "deeper"])],
    }
    for number in range(300)
]
_SCHEMA = pyarrow.schema(
    [
        ("text", pyarrow.string()),
        ("n", pyarrow.float64()),
        ("choices", pyarrow.list_(pyarrow.string())),
        ("messages", pyarrow.list_(pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.large_string())]))),
        (
            "doc",
            pyarrow.struct(
                [("query", pyarrow.string()), ("gold", pyarrow.list_(pyarrow.int64())), ("raw", pyarrow.binary())]
            ),
        ),
        ("maps", pyarrow.map_(pyarrow.string(), pyarrow.list_(pyarrow.string()))),
    ]
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MOST_BYTES", 2**20)


@pytest.mark.parametrize(
    "layout",
    [{}, {"row_group_size": 7}, {"dictionary_pagesize_limit": 100}, {"use_dictionary": False}, {"compression": "zstd"}],
    ids=str,
)
def test_rows_are_what_was_written(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(_ROWS, _SCHEMA), path, **layout)
    assert list(parquet.rows(path)) == _ROWS
    assert list(parquet.rows(path, ["n", "text"])) == [{"n": row["n"], "text": row["text"]} for row in _ROWS]


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a"], "n": [1]}), path)
    with pytest.raises(MisuseError, match=r"rows\.parquet has no column label; it has text, n"):
        list(parquet.rows(path, ["text", "label"]))


@pytest.mark.usefixtures("small")
def test_rows_that_unpack_to_a_thousand_times_their_size_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    table = pyarrow.table({"text": ["x" * 10_000_000]})
    pyarrow.parquet.write_table(table, path, compression="zstd", use_dictionary=False)
    assert path.stat().st_size < 10_000
    with pytest.raises(
        MisuseError, match=r"bomb\.parquet has [\d,]+ bytes, and its group 0 of rows unpacks to 10 MiB; write it again"
    ):
        load_examples(path)


def _named_often(numbers: Any) -> Iterator[pyarrow.Table]:
    """A text of 100 kB, of which a dictionary has one: in a column, in lists, in lists of structs."""
    often = pyarrow.DictionaryArray.from_arrays(numbers, pyarrow.array(["x" * 100_000]))
    ends = pyarrow.array([0, len(often)], pyarrow.int32())
    yield pyarrow.table({"text": often})
    yield pyarrow.table({"text": ["a"], "choices": pyarrow.ListArray.from_arrays(ends, often)})
    of_structs = pyarrow.StructArray.from_arrays([often], ["content"])
    yield pyarrow.table({"text": ["a"], "messages": pyarrow.ListArray.from_arrays(ends, of_structs)})


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", range(3), ids=["column", "list", "structs"])
def test_a_text_that_rows_name_without_end_is_refused_before_it_is_written_out(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "bomb.parquet"
    table = list(_named_often(pyarrow.array([0] * 1_000_000, pyarrow.int32())))[kind]  # 100 GB
    pyarrow.parquet.write_table(table, path, compression="zstd", dictionary_pagesize_limit=2**20)
    assert path.stat().st_size < 100_000
    with pytest.raises(MisuseError, match=r"bomb\.parquet has [\d,]+ bytes and unpacks to more than [\d,]+: are"):
        load_examples(path)


@pytest.mark.usefixtures("small")
def test_an_instruction_that_all_rows_have_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    texts = [os.urandom(16).hex() for _ in range(3000)]
    table = pyarrow.table({"text": texts, "system": ["You are helpful. " * 30] * 3000})
    pyarrow.parquet.write_table(table, path, compression="zstd")
    assert [example.text for example in load_examples(path)] == texts


@pytest.mark.usefixtures("small")
def test_an_ordinary_column_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    texts = [f"document {number}: {' '.join(str(number * k) for k in range(500))}" for number in range(1000)]
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), path, compression="zstd")
    assert len(load_examples(path)) == 1000


def test_what_is_no_parquet_is_said(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1PAR1")
    with pytest.raises(MisuseError, match=r"cannot read rows\.parquet as Parquet, is it cut off\? "):
        load_examples(path)
