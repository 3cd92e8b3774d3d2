"""Reading rows from files: JSON lines, CSV, Parquet, plain text, folders. What cannot be read as it says is refused."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pytest_llm.data import parquet
from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.storage.strict_json import parsed

Rows = Iterable[Mapping[str, Any] | Example]
MOST_BYTES = 256 * 2**20
"""Of what is in memory as one piece: a document, a line. None is anywhere near it by honest means."""
_BEYOND = None
"""Under which `csv` puts cells that have no column."""


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
            return parquet.rows(path)
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
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = parsed(line, finite=False)
        except ValueError as error:
            raise MisuseError(f"{path.name}, line {number} is not JSON: {error}") from None
        yield row


def _read_csv(path: Path) -> Iterator[Mapping[str, Any]]:
    # strict: a quote that nobody closed would make one cell of all that follows
    reader = csv.DictReader((f"{line}\n" for line in _lines(path)), restkey=_BEYOND, strict=True)
    while True:
        # the default refuses a text of the length of a chapter; not for the whole loop: others read CSV between two rows
        longest = csv.field_size_limit(MOST_BYTES)
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise MisuseError(f"{path.name}, line {reader.line_num} is not CSV: {error}") from None
        finally:
            csv.field_size_limit(longest)
        if row is None:
            return
        _refuse_crooked(f"{path.name}, line {reader.line_num}", row, reader.fieldnames or ())
        yield row


def _refuse_crooked(place: str, row: Mapping[Any, Any], names: Sequence[str]) -> None:
    """A name twice, or cells beyond the names: what stands under which name would be a guess."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise MisuseError(f"{place}: two columns are called {twice!r:.60}; give each a name of its own")
    if _BEYOND in row:
        raise MisuseError(
            f"{place} has more cells than the {len(names)} columns; put quotes round a cell with a comma or a line feed in it"
        )


def _lines(path: Path) -> Iterator[str]:
    """The lines of a text file, one in memory at a time; only a line feed ends one: U+2028 may stand in a JSON string."""
    offset = 0
    with path.open("rb") as stream:
        for number, raw in enumerate(iter(partial(stream.readline, MOST_BYTES + 1), b""), 1):
            if len(raw) > MOST_BYTES:
                raise MisuseError(
                    f"{path.name}, line {number} is longer than {MOST_BYTES // 2**20} MiB: are these lines?"
                )
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(path, raw[error.start], offset + error.start, number) from None
            yield (line.removeprefix("\ufeff") if number == 1 else line).removesuffix("\n")
            offset += len(raw)


def _decode(path: Path) -> str:
    if (size := path.stat().st_size) > MOST_BYTES:
        raise MisuseError(
            f"{path.name} has {size / 2**20:,.0f} MiB, and is one document; {MOST_BYTES // 2**20} MiB are accepted: "
            f"split it, or give the rows of a .jsonl"
        )
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _not_utf8(path, raw[error.start], error.start, line) from None


def _not_utf8(path: Path, byte: int, offset: int, line: int) -> MisuseError:
    return MisuseError(
        f"{path.name} is not UTF-8: byte 0x{byte:02x} at offset {offset} (line {line}); "
        f"convert the file, nothing is guessed or dropped"
    )
