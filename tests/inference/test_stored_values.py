"""Stored answers: what comes back is what went in, bit for bit."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pytest_llm.inference.stored_values import each_to_bytes, from_bytes, to_bytes
from pytest_llm.metrics.divergence import TokenDivergence

ANY_FLOATS = arrays.arrays(st.sampled_from(["f4", "f8"]), st.integers(0, 30))
LABELS = st.text() | st.integers() | st.booleans() | st.none()


def kept(value: object) -> Any:
    data = to_bytes(value)
    assert data is not None
    return from_bytes(data)


@given(ANY_FLOATS)
def test_arrays_keep_every_bit_of_them_nan_and_negative_zero_too(array: np.ndarray[Any, Any]) -> None:
    back = kept(array)
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()


def test_what_came_from_float32_takes_four_bytes_a_number() -> None:
    log_probs = np.random.default_rng(0).normal(size=1000).astype(np.float32).astype(np.float64)
    assert len(to_bytes(log_probs) or b"") < 4010
    assert kept(log_probs).tobytes() == log_probs.tobytes()


ROWS = [
    np.array(values, dtype)
    for values in ([], [-1.5, np.nan, np.inf], [-0.0], [0.1], [1e300])
    for dtype in ("<f8", ">f8", "<f4")
    if values != [1e300] or dtype != "<f4"
]


@given(st.lists(ANY_FLOATS | st.sampled_from(ROWS) | st.text(max_size=2)) | st.lists(st.sampled_from(ROWS[0:9:3])))
def test_many_are_packed_as_each_by_itself(values: list[Any]) -> None:
    assert each_to_bytes(values) == [to_bytes(value) for value in values]


def test_a_nan_that_signals_makes_no_noise_among_others() -> None:
    rows = [np.zeros(2), np.array([0x7FF0000000000001], np.uint64).view(np.float64)]
    assert each_to_bytes(rows) == [to_bytes(row) for row in rows]


@given(st.text(st.characters(), max_size=40))  # lone surrogates are among them
def test_texts(text: str) -> None:
    assert kept(text) == text


@given(st.dictionaries(LABELS, st.floats(0, 1)))
def test_labels_keep_their_types_and_their_order(probabilities: dict[Any, float]) -> None:
    back = kept(probabilities)
    assert list(back.items()) == list(probabilities.items())
    assert list(map(type, back)) == list(map(type, probabilities))


@pytest.mark.parametrize("label", ["positive", 3, True, None, 0.25])
def test_a_bare_label(label: object) -> None:
    assert kept(label) == label
    assert type(kept(label)) is type(label)


def test_spans() -> None:
    spans = [(0, 5, "PER"), (7, 11, "LOC")]
    assert kept(spans) == spans
    assert kept([]) == []


def test_what_two_models_make_of_a_text() -> None:
    arrays = np.random.default_rng(0).normal(size=(5, 7))
    kl, same_top, delta_p, log_prob, reference_log_prob = arrays
    compared = TokenDivergence(kl, same_top, delta_p, log_prob, reference_log_prob, "tiny-decoder")
    *back, reference = astuple(kept(compared))
    assert np.array_equal(back, arrays)
    assert reference == "tiny-decoder"


@pytest.mark.parametrize(
    "value",
    [object(), [1.0], np.zeros((2, 2)), np.array(["a"]), np.array([1, 2]), {"a": object()}, {("a",): 1.0}, {"a": 1}],
)
def test_other_kinds_are_not_kept(value: object) -> None:
    assert to_bytes(value) is None


def test_bytes_of_nothing_known_are_refused() -> None:
    with pytest.raises(ValueError, match="no answer of a known kind"):
        from_bytes(b"?")
