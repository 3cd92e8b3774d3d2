"""Answers as bytes, for the cache on disk: a letter for the kind, then numbers as they lie in memory, or JSON. No pickle.

Arrays of numbers, texts, labels with their probabilities, lists of spans, and what two models make of the tokens of a text.
Everything is read back bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, is_dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pytest_llm.metrics.divergence import TokenDivergence

_LABELS = (str, int, float, bool, type(None))
_TYPES = {"f": "<f4", "d": "<f8"}
_STORED = ("ff", "dd", "df")
"""The type of an array, and of its numbers as they are stored."""


def to_bytes(value: object) -> bytes | None:
    """None for a kind of answer that is not kept."""
    if isinstance(value, np.ndarray):
        return None if (packed := _packed(value)) is None else b"a" + packed
    if type(value) in _LABELS:
        return b"j" + json.dumps(value).encode()
    if isinstance(value, Mapping):
        return b"m" + json.dumps(list(value.items())).encode() if _has_probabilities(value) else None
    if isinstance(value, list) and all(type(one) is tuple and _are_labels(one) for one in value):
        return b"l" + json.dumps(value).encode()
    if is_dataclass(value) and isinstance(value, _token_divergence()):
        *arrays, reference = astuple(value)
        parts = [json.dumps(reference).encode(), *map(_packed, arrays)]
        if all(part is not None for part in parts):
            return b"d" + b"".join(len(part).to_bytes(4, "little") + part for part in parts if part is not None)
    return None


def each_to_bytes(values: Sequence[object]) -> list[bytes | None]:
    """`to_bytes` of each."""
    together = _packed_together(values)
    return [to_bytes(value) for value in values] if together is None else [b"a" + packed for packed in together]


def from_bytes(data: bytes) -> Any:
    """The answer again; arrays are read-only.

    Raises:
        ValueError: these are not the bytes of an answer.
    """
    try:
        return _value(data[:1], data[1:])
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no answer: {type(error).__name__}: {error}") from None


def _value(kind: bytes, rest: bytes) -> Any:
    match kind:
        case b"a":
            return _unpacked(rest)
        case b"j" if _are_labels([label := json.loads(rest)]):
            return label
        case b"m" if _has_probabilities(labels := dict(json.loads(rest))):
            return labels
        case b"l" if all(map(_are_labels, spans := [tuple(one) for one in json.loads(rest)])):
            return spans
        case b"d":
            reference, *arrays = _split(rest)
            kl, same, delta, log_prob, of_reference = map(_unpacked, arrays)
            return _token_divergence()(kl, same, delta, log_prob, of_reference, json.loads(reference))
    raise ValueError(f"no answer of a known kind: {kind + rest[:20]!r}")


def _are_labels(values: Iterable[object]) -> bool:
    return all(type(value) in _LABELS for value in values)


def _has_probabilities(labels: Mapping[Any, Any]) -> bool:
    return _are_labels(labels) and all(type(p) is float for p in labels.values())


def _token_divergence() -> type[TokenDivergence]:
    from pytest_llm.metrics.divergence import TokenDivergence  # with all metrics: only where it is needed

    return TokenDivergence


def _packed(array: NDArray[Any]) -> bytes | None:
    """Type, type that is stored, and numbers: float64 that came from float32, as log-probabilities do, takes half."""
    if array.ndim != 1 or array.dtype.char not in _TYPES or not array.dtype.isnative:
        return None
    kind = stored = array.dtype.char
    if kind == "d" and (small := _as_float32(array)) is not None:
        stored, array = "f", small
    return f"{kind}{stored}".encode() + array.astype(_TYPES[stored], copy=False).tobytes()


def _as_float32(array: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """The same numbers in half the bytes; None where some would change. Bit for bit: NaN and −0.0 too."""
    with np.errstate(over="ignore", invalid="ignore"):  # the second of a NaN that signals
        small = array.astype(np.float32)
    return small if small.astype(np.float64).tobytes() == array.tobytes() else None


def _packed_together(values: Sequence[object]) -> list[bytes] | None:
    """`_packed` of rows that are float64 and came from float32, for a fifth of the time; None where a value is another."""
    rows = [value for value in values if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype == "=f8"]
    if not rows or len(rows) < len(values):
        return None
    if (small := _as_float32(np.concatenate(rows))) is None:
        return None
    data = small.astype(_TYPES["f"], copy=False).tobytes()
    ends = accumulate((4 * len(row) for row in rows), initial=0)
    return [b"df" + data[first:end] for first, end in pairwise(ends)]


def _unpacked(data: bytes) -> NDArray[Any]:
    kind, stored = data[:1].decode(), data[1:2].decode()
    if kind + stored not in _STORED:
        raise ValueError(f"no array that is written so: {kind + stored!r}")
    array = np.frombuffer(data, _TYPES[stored], offset=2).astype(_TYPES[kind])
    array.flags.writeable = False
    return array


def _split(data: bytes) -> list[bytes]:
    parts, place = [], 0
    while place < len(data):
        end = place + 4 + int.from_bytes(data[place : place + 4], "little")
        parts.append(data[place + 4 : end])
        place = end
    return parts
