"""A repetition is seen wherever both are, and nothing is taken for one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.data import seen_ids
from pytest_llm.data.seen_ids import RECENT, Repeated, SeenIds
from pytest_llm.storage import growing_array


def found(ids: list[str]) -> Repeated | None:
    seen = SeenIds()
    for own_id in ids:
        if repeated := seen.add(own_id):
            return repeated
    return seen.look_up()


def first_repeated(ids: list[str]) -> Repeated | None:
    """By a plain dictionary."""
    places: dict[str, int] = {}
    for place, own_id in enumerate(ids):
        if own_id in places:
            return own_id, places[own_id], place
        places[own_id] = place
    return None


@pytest.mark.parametrize("most_in_memory", [growing_array.MOST_IN_MEMORY, 50, 0])
@given(
    st.lists(st.text(max_size=2)) | st.lists(st.integers(0, 999).map(str), min_size=20, max_size=80), st.integers(1, 9)
)
def test_it_is_what_a_dictionary_finds(most_in_memory: int, ids: list[str], at_once: int) -> None:
    """In memory, in files, and in both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen_ids, "RECENT", 3)
        patch.setattr(seen_ids, "AT_ONCE", at_once)
        patch.setattr(growing_array, "AT_ONCE", at_once)
        patch.setattr(growing_array, "MOST_IN_MEMORY", most_in_memory)
        assert found(ids) == first_repeated(ids)


@pytest.mark.parametrize("count", [1, RECENT - 1, RECENT, RECENT + 1, 7 * RECENT + 5])
def test_it_is_found_at_any_distance(count: int) -> None:
    ids = [f"example {place}" for place in range(count)]
    assert found(ids) is None
    generator = random.Random(count)
    for first in {0, count - 1, generator.randrange(count), generator.randrange(count)}:
        assert found([*ids, ids[first]]) == (ids[first], first, count)
        assert found([*ids, ids[first], "more", *"abcdef"]) == (ids[first], first, count)


def test_it_is_found_before_many_more_are_read() -> None:
    seen = SeenIds()
    assert not any(seen.add(str(place)) for place in range(5 * RECENT + 3))
    repeated = [seen.add("7"), *(seen.add(f"more {place}") for place in range(RECENT))]
    assert ("7", 7, 5 * RECENT + 3) in repeated
