"""Reading rows from files: JSON lines, CSV, Parquet, plain text, folders. What cannot be read as it says is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError

Rows = Iterable[Mapping[str, Any] | Example]


def read(path: Path) -> Rows:
    """The rows of a file, or the documents of a folder.

    Raises:
        MisuseError: no such file, an unknown kind of file, or one that is not what its name says.
    """
    if os.path.isdir(path):  # os.path: a text taken for a path may be longer than the system allows
        return _read_folder(path)
    if not os.path.isfile(path):
        raise MisuseError(
            f"no data at {str(path)[:80]!r}: no such file or folder (a single text goes in a list: [text])"
        )
    match path.suffix.lower():
        case ".jsonl":
            return _read_json_lines(path)
        case ".csv":
            return _read_csv(path)
        case ".txt":
            return [_document(path)]
        case ".parquet":
            return _read_parquet(path)
        case suffix:
            raise MisuseError(f"cannot read {path.name!r}: {suffix!r} is none of .jsonl, .csv, .parquet, .txt")


def _read_folder(path: Path) -> Rows:
    if (path / "dataset_dict.json").is_file():
        raise MisuseError(f"the folder {str(path)!r} is a saved DatasetDict: give the folder of one split")
    if (path / "dataset_info.json").is_file():
        import datasets

        rows: Rows = datasets.Dataset.load_from_disk(str(path))
        return rows
    files = sorted(path.glob("*.txt"))
    if not files:
        raise MisuseError(f"the folder {str(path)!r} holds neither .txt files nor a saved datasets.Dataset")
    return [_document(file) for file in files]


def _document(path: Path) -> Example:
    return Example(path.name, _decode(path), path.name)


def _read_json_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(_decode(path).split("\n"), 1):  # not splitlines(): U+2028 may stand in a string
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise MisuseError(f"{path.name}, line {number} is not JSON: {error.msg} at column {error.colno}") from None


def _read_csv(path: Path) -> Rows:
    longest = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the default refuses a text of the length of a chapter
    try:
        return list(csv.DictReader(io.StringIO(_decode(path), newline="")))
    finally:
        csv.field_size_limit(longest)


def _read_parquet(path: Path) -> Rows:
    # not datasets.Dataset.from_parquet: its cache takes a file rewritten within the clock's resolution for the old one
    import pyarrow.parquet

    try:
        rows: Rows = pyarrow.parquet.ParquetFile(path).read().to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise MisuseError(f"cannot read {path.name} as Parquet: {error}") from None
    return rows


def _decode(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise MisuseError(
            f"{path.name} is not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start} (line {line}); "
            f"convert the file, nothing is guessed or dropped"
        ) from None
