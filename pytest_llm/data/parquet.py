"""Reading rows from Parquet, in memory that its size bounds: a few kilobytes may say that they unpack to anything.

A column's dictionary holds a long text once, and rows name it by number. A batch of rows is therefore so small that it fits into
memory if every row had the longest text there can be; in lists, where a row may name it any number of times, the texts stay numbers
until their lengths are counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_llm.errors import MisuseError

MOST_BYTES = 256 * 2**20
"""Of what a file may unpack to, however small it is; of a group of rows; an eighth of a batch."""
_MOST_DENSE = 100
"""How many times the file's size a group of rows may have unpacked, beyond that; text has three to ten."""
_MOST_REPEATED = 1000
"""How many times its size a file may have with every text written out, beyond that: one instruction in all rows is honest."""
_MOST_ROWS = 1024
"""In memory at once."""


def rows(path: Path, columns: Sequence[str] | None = None, most_bytes: float = math.inf) -> Iterator[Mapping[str, Any]]:
    """The rows, one batch in memory at a time.

    Args:
        path: the file.
        columns: which ones; all without.
        most_bytes: of all rows together, unpacked.

    Raises:
        MisuseError: no Parquet, a column that is not there, or far more bytes unpacked than the file has.
    """
    # not datasets.Dataset.from_parquet: its cache takes a file rewritten within the clock's resolution for the old one
    import pyarrow.parquet

    most = min(most_bytes, max(MOST_BYTES, _MOST_REPEATED * path.stat().st_size))
    unpacked = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _refuse_missing(path, columns or (), file.schema_arrow.names)
            metadata, in_lists = file.metadata, _texts_in_lists(file.schema)
        with pyarrow.parquet.ParquetFile(path, metadata=metadata, read_dictionary=in_lists) as file:
            for number in range(file.num_row_groups):
                whole = metadata.row_group(number).total_byte_size
                _refuse_dense(path, number, whole)
                # one group at a time: a list's dictionaries of two groups cannot be in one batch
                for batch in file.iter_batches(_rows_at_once(whole), row_groups=[number], columns=columns):
                    size = sum(map(_written_out, batch.columns))
                    unpacked += size
                    _refuse_more(path, size, 8 * MOST_BYTES)
                    _refuse_more(path, unpacked, most)
                    yield from batch.to_pylist()
    except MisuseError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, RuntimeError) as error:
        raise MisuseError(f"cannot read {path.name} as Parquet, is it cut off? {error}") from None


def _refuse_missing(path: Path, wanted: Sequence[str], there: Sequence[str]) -> None:
    if missing := [name for name in wanted if name not in there]:
        raise MisuseError(f"{path.name} has no column {', '.join(missing)}; it has {', '.join(there):.200}")


def _texts_in_lists(schema: Any) -> list[str]:
    columns = map(schema.column, range(len(schema)))
    return [one.path for one in columns if one.physical_type == "BYTE_ARRAY" and one.max_repetition_level]


def _refuse_dense(path: Path, number: int, whole: int) -> None:
    # not by column: pyarrow ends the process where the sizes that a column announces contradict each other
    if whole > MOST_BYTES and whole > _MOST_DENSE * path.stat().st_size:
        raise MisuseError(
            f"{path.name} has {path.stat().st_size:,} bytes, and its group {number} of rows unpacks to {whole / 2**20:,.0f} MiB; "
            f"write it again in smaller groups of rows if that is meant"
        )


def _refuse_more(path: Path, unpacked: int, most: float) -> None:
    if unpacked > most:
        raise MisuseError(
            f"{path.name} has {path.stat().st_size:,} bytes and unpacks to more than {most:,.0f}: are these data?"
        )


def _rows_at_once(whole: int) -> int:
    """So few that eight times `MOST_BYTES` hold them if each has all of a dictionary that takes the group's bytes."""
    return max(1, min(_MOST_ROWS, 8 * MOST_BYTES // max(1, whole)))


def _written_out(array: Any) -> int:
    """Bytes of an array of `pyarrow` with every text of a dictionary as often as it is named."""
    import pyarrow.compute

    kind = array.type
    if pyarrow.types.is_dictionary(kind):
        lengths = pyarrow.compute.binary_length(array.dictionary)
        return int(pyarrow.compute.sum(lengths.take(array.indices)).as_py() or 0)
    if pyarrow.types.is_struct(kind):
        return sum(map(_written_out, array.flatten()))
    if pyarrow.types.is_map(kind):
        return _written_out(array.keys) + _written_out(array.items)
    if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind) or pyarrow.types.is_fixed_size_list(kind):
        return _written_out(array.flatten())
    return int(array.nbytes)
