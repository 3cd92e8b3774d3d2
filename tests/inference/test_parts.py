"""Parts: every text is in one, none is small without need, and little is read twice."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.inference.engine import Engine, using
from pytest_llm.inference.parts import SHARE_READ_TWICE, least_effort, parts


@given(st.lists(st.text("ab", max_size=12)), st.integers(1, 40))
def test_parts_are_all_texts_in_order_and_all_but_the_last_are_large_enough(texts: list[str], least: int) -> None:
    found = list(parts(texts, list(map(len, texts)), least))
    assert [place for part in found for place in part] == list(range(len(texts)))
    assert all(found)
    assert all(sum(len(texts[place]) for place in part) >= least for part in found[:-1])


def test_a_list_is_cut_as_soon_as_a_part_is_large_enough() -> None:
    texts = [f"{place:010}"[::-1] for place in range(7)]
    assert list(parts(texts, [10] * 7, 20)) == [range(2), range(2, 4), range(4, 6), range(6, 7)]


def test_what_the_next_part_would_read_again_is_little_of_what_this_one_has_read() -> None:
    block = "Q: two and two? A: four. " * 4  # stands before every question, and is read once in a part
    texts = [f"{block}{place:03} and one?" for place in range(3000)]
    found = list(parts(texts, list(map(len, texts)), 20))
    assert len(found) > 2
    for part in found[:-1]:
        assert len(block) <= SHARE_READ_TWICE * (len(block) + 12 * len(part))


def test_efforts_count_in_the_place_of_lengths() -> None:
    assert list(parts(["a", "b", "c", "d"], [5, 5, 5, 5], 10)) == [range(2), range(2, 4)]


def test_a_part_grows_with_what_is_read_at_once_and_with_the_processes() -> None:
    alone = least_effort(object(), 0)
    assert least_effort(SimpleNamespace(budget=SimpleNamespace(tokens=8192)), 0) == 8 * alone
    assert least_effort(SimpleNamespace(budget=SimpleNamespace(tokens=64)), 0) == alone  # memory was short
    with using(Engine(processes=3)):
        assert least_effort(object(), 0) == 3 * alone
