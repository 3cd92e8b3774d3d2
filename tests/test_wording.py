"""Numbers, texts and names as a report prints them."""

from __future__ import annotations

import pytest

from pytest_llm.wording import counted


@pytest.mark.parametrize(("count", "said"), [(0, "0 gates"), (1, "1 gate"), (2, "2 gates"), (1000, "1000 gates")])
def test_what_is_counted_is_one_or_many(count: int, said: str) -> None:
    assert counted(count, "gate") == said
