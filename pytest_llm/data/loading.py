"""From what people have (strings, rows, data sets, files) to a tuple of `Example`.

Everything that would make a number wrong is refused here, before a model is asked: no data, empty texts, duplicate ids,
the same text (with the same target) twice, files that are not UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_llm.data.example import Example, identity
from pytest_llm.data.files import read
from pytest_llm.data.hub import is_on_hub, read_from_hub
from pytest_llm.errors import MisuseError, about

if TYPE_CHECKING:
    import datasets

Row: TypeAlias = "str | Mapping[str, Any] | Example"
Data: TypeAlias = "str | Path | Iterable[Row] | datasets.Dataset"
_NO_ROW: Mapping[str, Any] = {}
"""Of all bare texts: a dictionary for each would be a twelfth of what a million of them take."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a row hold what."""

    text: str = "text"
    id: str = "id"
    cluster: str = "cluster"
    target: str = "target"


_USUAL_CLUSTER = Columns().cluster


def load_examples(data: Data, *, columns: Columns = Columns()) -> tuple[Example, ...]:
    """Turn data into examples.

    Args:
        data: a list of strings, rows (mappings) or `Example`; a `datasets.Dataset`; or a path: `.jsonl`, `.csv`, `.parquet`
            (one row an example), `.txt` (the whole file is one document), a folder of `.txt` files or one written
            by `Dataset.save_to_disk`; or `hf://datasets/<owner>/<name>#<split>` of the hub (see `data.hub`).
        columns: where rows hold the text, the unique id (the hash of text and target where there is none), the cluster
            (examples that belong together, such as the chapters of one book) and the target (what an output is compared
            with: the translation of the text, its label), if they have them; a cluster column of another name must be there.

    Raises:
        MisuseError: nothing there, a text that is empty or not a string, a missing column, the same id or example
            twice, a file that cannot be read as what its name says.
    """
    with about(describe(data)) if isinstance(data, str | Path) else nullcontext():
        examples = tuple(example_of(row, position, columns) for position, row in enumerate(rows_of(data)))
        if not examples:
            raise MisuseError(f"no data: {describe(data)} holds no example, so there is nothing to measure")
        for example in examples:
            refuse_empty(example)
        _refuse_duplicates(examples)
    return examples


def clustered(examples: tuple[Example, ...], column: str | None) -> tuple[Example, ...]:
    """The examples, those with equal values in a column of their rows as one cluster; None: as they are.

    Raises:
        MisuseError: a row without that column, or with nothing in it: how sure a number is would be a guess.
    """
    if column is None:
        return examples
    return tuple(replace(example, cluster=_cluster(example.row, column, example.label)) for example in examples)


def _cluster(row: Mapping[str, Any], column: str, label: str) -> str:
    value = row.get(column)
    if value is None:
        has = f"its row has {', '.join(sorted(map(str, row)))}" if row else "it has no row, only a text"
        raise MisuseError(
            f"cluster={column!r}: example {label} has none ({has}); name the column that says which examples belong together"
        )
    return str(value)


def describe(data: Data) -> str:
    """What to call the data in a report: the file's name, or the kind of object."""
    if is_on_hub(data):
        return str(data)
    if isinstance(data, str | Path):
        with suppress(OSError, ValueError):  # a text taken for a path may hold anything
            return Path(data).resolve().name
        return Path(data).name
    return f"a {type(data).__name__} given in the test"


def refuse_empty(example: Example) -> None:
    """Raise MisuseError for a text without a character."""
    if not example.text:
        raise MisuseError(f"the text of example {example.label} is empty: drop it, it has no token to be scored")


def rows_of(data: Data) -> Iterable[Row]:
    """What data hold, one after the other.

    Raises:
        MisuseError: no data, or of a kind that is not known.
    """
    if is_on_hub(data):
        return read_from_hub(str(data))
    if isinstance(data, str | Path):
        return read(Path(data))
    if isinstance(data, Mapping):
        raise MisuseError(
            f"data is one mapping with the keys {sorted(map(str, data))}; expected a list of rows"
            " (of a DatasetDict, choose one split)"
        )
    if hasattr(data, "iloc"):  # iterating a pandas frame gives the names of its columns
        raise MisuseError(f"data is a {type(data).__name__}; expected rows: frame.to_dict('records')")
    if not isinstance(data, Iterable):
        raise MisuseError(f"data is {data!r} ({type(data).__name__}); expected texts, rows, a Dataset or a path")
    return data


def example_of(row: Row, position: int, columns: Columns) -> Example:
    """The example that a row is.

    Raises:
        MisuseError: no row, a missing column, a text that is no string.
    """
    if isinstance(row, Example):
        return row
    given: Mapping[str, Any] = {columns.text: row} if isinstance(row, str) else row
    if not isinstance(given, (dict, Mapping)):  # nearly always the first, which is told at once
        raise MisuseError(
            f"example #{position} is {row!r} ({type(row).__name__}); "
            f"expected a string or a mapping with a {columns.text!r} column"
        )
    if columns.text not in given:
        raise MisuseError(
            f"example #{position} has no column {columns.text!r}, only {sorted(map(str, given))}; "
            f"name the right one: load_examples(data, columns=Columns(text=…))"
        )
    text, own_id, target = given[columns.text], given.get(columns.id), given.get(columns.target)
    label = f"#{position}" if own_id is None else str(own_id)
    named = columns.cluster != _USUAL_CLUSTER  # a column that was asked for by name has to be there
    cluster = _cluster(given, columns.cluster, label) if named else given.get(columns.cluster)
    if not isinstance(text, str):
        raise MisuseError(f"the text of example #{position} is {text!r} ({type(text).__name__}), not a string")
    return Example(
        id=identity(text, target) if own_id is None else str(own_id),
        text=text,
        label=label,
        cluster=None if cluster is None else str(cluster),
        target=target,
        row=_NO_ROW if isinstance(row, str) else given,
    )


def _refuse_duplicates(examples: tuple[Example, ...]) -> None:
    seen: dict[str, Example] = {}
    for example in examples:
        first = seen.setdefault(example.id, example)
        if first is example:
            continue
        same = identity(first.text, first.target) == identity(example.text, example.target)
        if first.label == example.label or not same:
            raise MisuseError(f"two examples have the id {example.id!r}; ids must be unique")
        what = "text" if example.target is None else "text and target"
        raise MisuseError(
            f"examples {first.label} and {example.label} are the same {what}, which would count it twice: "
            f"drop one, or give both an id column if the repetition is meant"
        )
