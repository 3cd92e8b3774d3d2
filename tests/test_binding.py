"""A variable is bound for the length of a block, however that ends."""

from __future__ import annotations

from contextvars import ContextVar

import pytest

from pytest_llm.binding import bound

VARIABLE: ContextVar[int] = ContextVar("variable", default=0)


def test_the_innermost_block_counts_and_leaves_what_was_there() -> None:
    with bound(VARIABLE, 1):
        with bound(VARIABLE, 2):
            assert VARIABLE.get() == 2
        assert VARIABLE.get() == 1
    assert VARIABLE.get() == 0


def test_an_error_unbinds_it() -> None:
    with pytest.raises(KeyError), bound(VARIABLE, 1):
        raise KeyError
    assert VARIABLE.get() == 0


def test_nothing_is_bound_before_the_block() -> None:
    later = bound(VARIABLE, 1)
    assert VARIABLE.get() == 0
    with later:
        assert VARIABLE.get() == 1
