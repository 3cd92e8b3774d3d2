"""From what people have (strings, rows, data sets, files) to a tuple of `Example`.

Everything that would make a number wrong is refused here, before a model is asked: no data, empty texts, duplicate ids,
the same text twice, files that are not UTF-8.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_llm.data.example import Example, fingerprint
from pytest_llm.errors import MisuseError

if TYPE_CHECKING:
    import datasets

Row: TypeAlias = "str | Mapping[str, Any] | Example"
Data: TypeAlias = "str | Path | Iterable[Row] | datasets.Dataset"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a row hold what."""

    text: str = "text"
    id: str = "id"
    cluster: str = "cluster"


def load_examples(data: Data, *, columns: Columns = Columns()) -> tuple[Example, ...]:
    """Turn data into examples.

    Args:
        data: a list of strings, rows (mappings) or `Example`; a `datasets.Dataset`; or a path: `.jsonl`, `.csv`, `.parquet`
            (one row an example), `.txt` (the whole file is one document), a folder of `.txt` files or one written
            by `Dataset.save_to_disk`.
        columns: where rows hold the text, the unique id (the text's hash where there is none) and the cluster (examples
            that belong together, such as the chapters of one book), if they have one.

    Raises:
        MisuseError: nothing there, a text that is empty or not a string, a missing column, the same id or text twice,
            a file that cannot be read as what its name says.
    """
    examples = tuple(_example(row, position, columns) for position, row in enumerate(_rows(data, columns.text)))
    if not examples:
        raise MisuseError(f"no data: {describe(data)} holds no example, so there is nothing to measure")
    _refuse_duplicates(examples)
    return examples


def describe(data: Data) -> str:
    """What to call the data in a report: the file's name, or the kind of object."""
    if isinstance(data, str | Path):
        return Path(data).name
    return f"a {type(data).__name__} given in the test"


def _example(row: Row, position: int, columns: Columns) -> Example:
    if isinstance(row, Example):
        return row
    text = columns.text
    given: Mapping[str, Any] = {text: row} if isinstance(row, str) else row
    if not isinstance(given, Mapping):
        raise MisuseError(
            f"example #{position} is {row!r} ({type(row).__name__}); expected a string or a mapping with a {text!r} column"
        )
    if text not in given:
        raise MisuseError(
            f"example #{position} has no column {text!r}, only {sorted(map(str, given))}; "
            f"name the right one: load_examples(data, columns=Columns(text=…))"
        )
    body = given[text]
    if not isinstance(body, str):
        raise MisuseError(f"the text of example #{position} is {body!r} ({type(body).__name__}), not a string")
    if not body:
        raise MisuseError(
            f"the text of example #{position} is empty: drop it, an empty text has no probability per token"
        )
    own_id = given.get(columns.id)
    group = given.get(columns.cluster)
    return Example(
        id=fingerprint(body)[:16] if own_id is None else str(own_id),
        text=body,
        label=f"#{position}" if own_id is None else str(own_id),
        cluster=None if group is None else str(group),
    )


def _refuse_duplicates(examples: tuple[Example, ...]) -> None:
    seen: dict[str, Example] = {}
    for example in examples:
        first = seen.setdefault(example.id, example)
        if first is example:
            continue
        if first.label == example.label:
            raise MisuseError(f"two examples have the id {example.id!r}; ids must be unique")
        raise MisuseError(
            f"examples {first.label} and {example.label} are the same text, which would count it twice: "
            f"drop one, or give both an id column if the repetition is meant"
        )


def _rows(data: Data, text: str) -> Iterable[Row]:
    if isinstance(data, str | Path):
        return _read(Path(data), text)
    if isinstance(data, Mapping):
        raise MisuseError(
            f"data is one mapping with the keys {sorted(map(str, data))}; expected a list of rows"
            " (of a DatasetDict, choose one split)"
        )
    if not isinstance(data, Iterable):
        raise MisuseError(f"data is {data!r} ({type(data).__name__}); expected texts, rows, a Dataset or a path")
    return data


def _read(path: Path, text: str) -> Iterable[Row]:
    if path.is_dir():
        return _read_folder(path, text)
    if not path.is_file():
        raise MisuseError(f"no data at {str(path)!r}: no such file or folder (a single text goes in a list: [text])")
    match path.suffix.lower():
        case ".jsonl":
            return _read_json_lines(path)
        case ".csv":
            return csv.DictReader(_decode(path).splitlines(keepends=True))
        case ".txt":
            return [{text: _decode(path), "id": path.name}]
        case ".parquet":
            import datasets

            return _dataset_rows(datasets.Dataset.from_parquet(str(path), keep_in_memory=True))
        case suffix:
            raise MisuseError(f"cannot read {path.name!r}: {suffix!r} is none of .jsonl, .csv, .parquet, .txt")


def _read_folder(path: Path, text: str) -> Iterable[Row]:
    if (path / "dataset_info.json").is_file():
        import datasets

        return _dataset_rows(datasets.Dataset.load_from_disk(str(path)))
    files = sorted(path.glob("*.txt"))
    if not files:
        raise MisuseError(f"the folder {str(path)!r} holds neither .txt files nor a saved datasets.Dataset")
    return [{text: _decode(file), "id": file.name} for file in files]


def _dataset_rows(dataset: Any) -> Iterator[Mapping[str, Any]]:
    # datasets is untyped in part; its iteration yields one dict per row
    yield from dataset


def _read_json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_decode(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise MisuseError(f"{path.name}, line {number} is not JSON: {error.msg} at column {error.colno}") from None


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
