"""Both ways to cut a text: what is scored, with how much context, against lm-eval and the Hugging Face guide."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_llm.errors import MisuseError
from pytest_llm.inference.windows import rolling_windows, strided_windows
from pytest_llm.models.language_model import Window

LENGTHS = st.integers(0, 60)
LAW = settings(deadline=None)


def contexts(windows: list[Window]) -> list[tuple[int, int]]:
    """(token, how many tokens before it its window holds) of each scored token, in the order of the windows."""
    return [
        (window.tokens[place], place)
        for window in windows
        for place in range(len(window.tokens) - window.scored, len(window.tokens))
    ]


def is_contiguous(window: Window) -> bool:
    return window.tokens == tuple(range(window.tokens[0], window.tokens[0] + len(window.tokens)))


@LAW
@given(LENGTHS, st.integers(1, 20))
def test_rolling_windows_score_every_token_but_the_first_once_and_in_order(length: int, max_length: int) -> None:
    windows = rolling_windows(range(length), max_length)
    assert [token for token, _ in contexts(windows)] == list(range(1, length))
    assert all(map(is_contiguous, windows))


@LAW
@given(LENGTHS, st.integers(1, 20))
def test_rolling_windows_read_at_most_max_length_tokens_before_their_last(length: int, max_length: int) -> None:
    assert all(len(window.tokens) - 1 <= max_length for window in rolling_windows(range(length), max_length))


@LAW
@given(LENGTHS, st.integers(1, 20))
def test_only_the_last_rolling_window_reaches_back(length: int, max_length: int) -> None:
    for token, context in contexts(rolling_windows(range(length), max_length)):
        block_start = (token - 1) // max_length * max_length
        last_start = max(0, length - max_length - 1)
        is_in_last_block = block_start + max_length >= length - 1
        assert context == token - (last_start if is_in_last_block else block_start)


@LAW
@given(LENGTHS, st.integers(2, 20), st.integers(1, 19))
def test_strided_windows_score_every_token_but_the_first_once_and_in_order(
    length: int, max_length: int, stride: int
) -> None:
    assume(stride < max_length)
    windows = strided_windows(range(length), max_length, stride)
    assert all(map(is_contiguous, windows))
    assert all(len(window.tokens) <= max_length for window in windows)
    if length > 1:
        assert [token for token, _ in contexts(windows)] == list(range(1, length))


@LAW
@given(LENGTHS, st.integers(2, 20), st.integers(1, 19))
def test_a_token_is_scored_by_the_first_strided_window_that_reaches_it(
    length: int, max_length: int, stride: int
) -> None:
    assume(stride < max_length)
    for token, context in contexts(strided_windows(range(length), max_length, stride)):
        windows_before = max(0, math.ceil((token + 1 - max_length) / stride))
        assert context == token - windows_before * stride
        assert context >= min(token, max_length - stride)


@LAW
@given(st.integers(2, 60), st.integers(2, 20), st.integers(1, 19))
def test_strided_windows_are_those_of_the_hugging_face_guide(length: int, max_length: int, stride: int) -> None:
    assume(stride < max_length)
    expected, previous_end = [], 0
    for begin in range(0, length, stride):
        end = min(begin + max_length, length)
        target_length = end - previous_end
        labels = [-100] * (end - begin - target_length) + list(range(end - target_length, end))
        shifted = [label for label in labels[1:] if label != -100]  # the model shifts labels, as its loss does
        expected.append((list(range(begin, end)), shifted))
        previous_end = end
        if end == length:
            break
    windows = strided_windows(range(length), max_length, stride)
    assert [(list(window.tokens), list(window.tokens[-window.scored :])) for window in windows] == expected


def test_a_worked_example_of_rolling_windows() -> None:
    windows = rolling_windows([0, 1, 2, 3, 4, 5], 3)
    assert windows == [Window((0, 1, 2, 3), 3), Window((2, 3, 4, 5), 2)]


def test_a_worked_example_of_strided_windows() -> None:
    windows = strided_windows([0, 1, 2, 3, 4, 5], 4, 1)
    assert windows == [Window((0, 1, 2, 3), 3), Window((1, 2, 3, 4), 1), Window((2, 3, 4, 5), 1)]


@pytest.mark.parametrize("stride", [4, 5])
def test_a_stride_that_leaves_no_overlap_is_refused(stride: int) -> None:
    with pytest.raises(MisuseError, match=rf"stride={stride} is not below the window of 4 tokens"):
        strided_windows(range(10), 4, stride)


@pytest.mark.slow
def test_rolling_windows_are_those_of_lm_eval() -> None:
    utils = pytest.importorskip("lm_eval.utils")
    for length in range(1, 40):
        for max_length in range(1, 12):
            planned = utils.get_rolling_token_windows(
                list(range(1, length + 1)), prefix_token=0, max_seq_len=max_length, context_len=1
            )
            expected = [
                Window((*context, *scored), len(scored)) for context, scored in map(utils.make_disjoint_window, planned)
            ]
            assert rolling_windows(range(length + 1), max_length) == expected, (length, max_length)
