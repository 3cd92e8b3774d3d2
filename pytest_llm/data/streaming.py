"""Data that do not fit in memory: read once, in order, and of each example only what a report and a baseline need is kept."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TypeAlias

from pytest_llm.data.example import Example
from pytest_llm.data.loading import Columns, Data, describe, example_of, refuse_empty, rows_of
from pytest_llm.data.sampling import Sample
from pytest_llm.data.seen_ids import Repeated, SeenIds
from pytest_llm.errors import MisuseError

Pair: TypeAlias = "tuple[Example, Any]"
"""An example, and the output that was given for it, if there is one."""
_USUAL = Columns()


@dataclass(frozen=True)
class Stream:
    """Data that are read one example at a time; see `stream`."""

    data: Data
    columns: Columns = _USUAL

    @property
    def rereadable(self) -> bool:
        """Whether they can be read again: files and data sets can, a generator cannot."""
        return not isinstance(self.data, Iterator)

    def __iter__(self) -> Iterator[Example]:
        """The examples, checked as `load_examples` does.

        Raises:
            MisuseError: what cannot be an example, the same id twice (seen within 1 024 examples), or no example at all.
        """
        seen, position = SeenIds(), -1
        for position, row in enumerate(rows_of(self.data)):
            example = example_of(row, position, self.columns)
            refuse_empty(example)
            _refuse_repeated(seen.add(example.id))
            yield example
        _refuse_repeated(seen.look_up())
        if position < 0:
            raise MisuseError(f"no data: {describe(self.data)} holds no example, so there is nothing to measure")


def _refuse_repeated(found: Repeated | None) -> None:
    if found is not None:
        own_id, first, again = found
        raise MisuseError(
            f"examples #{first} and #{again} have the same id or text, {own_id!r}: drop one, or give both an id column if the "
            f"repetition is meant"
        )


def stream(data: Data, *, columns: Columns = _USUAL) -> Stream:
    """Data that do not fit in memory: they are read once, and each text is dropped when its statistics are made.

    What stays of an example is its id, a hash of its content, the beginning of its text, and the sums that the metric
    takes of it; so intervals, baselines and reports are the same. Outputs are not remembered for other tests.

    Args:
        data: what `load_examples` takes: a path, a `datasets.IterableDataset` (which is always read so), a generator of rows.
        columns: which columns hold what.

    Example:
        >>> assert_perplexity_below(llm, stream("all_of_it.jsonl"), 25)  # doctest: +SKIP
    """
    return Stream(data, columns)


def as_stream(data: object) -> Stream | None:
    """The stream, if it is one or can only be one."""
    if isinstance(data, Stream):
        return data
    kind = type(data)
    streamed = kind.__name__ == "IterableDataset" and kind.__module__.partition(".")[0] == "datasets"
    return Stream(data) if streamed else None


def paired_stream(examples: Iterable[Example], outputs: Iterable[Any] | None) -> Iterator[Pair]:
    """Each example with the output that was given for it; None where a model will be asked.

    Raises:
        MisuseError: more or fewer outputs than examples.
    """
    if outputs is None:
        yield from ((example, None) for example in examples)
        return
    given, count = iter(outputs), 0
    for example in examples:
        output = next(given, _NOTHING)
        if output is _NOTHING:
            raise MisuseError(
                f"{count} predictions, but the data go on with {example.label}: each needs the other, in order"
            )
        yield example, output
        count += 1
    if next(given, _NOTHING) is not _NOTHING:
        raise MisuseError(f"more predictions than the {count} examples of the data: each needs the other, in order")


def drawn_from(pairs: Iterable[Pair], source: Stream, sample: Sample | None) -> tuple[Iterable[Pair], int]:
    """The part of a stream that `--llm-limit` asks for, the same as of a list; and how many examples it leaves out.

    Raises:
        MisuseError: a share of what can be read only once: its size is not known before the end.
    """
    if sample is None:
        return pairs, 0
    size = sample.size
    if isinstance(size, float):
        if not source.rereadable:
            raise MisuseError(f"{sample.origin} {size:g} of data that can be read only once: give a number of examples")
        size = max(1, round(size * sum(1 for _ in source)))
    count = 0

    def ranked() -> Iterator[tuple[bytes, int, Pair]]:
        nonlocal count
        for pair in pairs:
            yield sample.rank(pair[0].id), count, pair
            count += 1

    kept = heapq.nsmallest(size, ranked())
    return [pair for _, _, pair in sorted(kept, key=lambda entry: entry[1])], count - len(kept)


def batches(pairs: Iterable[Pair], size: int) -> Iterator[list[Pair]]:
    """`size` pairs at a time."""
    rest = iter(pairs)
    for first in rest:
        yield list(chain([first], islice(rest, size - 1)))


_NOTHING = object()
