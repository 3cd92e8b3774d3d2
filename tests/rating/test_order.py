"""Items are dealt, ordered and turned at random, and the same on every machine."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.errors import MisuseError
from pytest_llm.rating.order import Order

IDS = tuple(f"item {number}" for number in range(40))


def test_each_rater_sees_all_items_in_an_order_of_their_own() -> None:
    order = Order(IDS)
    ann, bob = order.of("Ann"), order.of("Bob")
    assert sorted(ann) == sorted(bob) == sorted(IDS)
    assert len({ann, bob, IDS, Order(IDS, seed=1).of("Ann")}) == 4


def test_an_order_is_the_same_everywhere() -> None:
    assert Order(("a", "b", "c", "d")).of("Ann") == ("a", "d", "b", "c")  # of sha256sum
    assert Order(("a", "b", "c", "d")).first_candidate_first("Ann") == {"a", "b"}


@given(st.integers(), st.text(min_size=1), st.integers(1, 40))
def test_each_candidate_is_shown_first_as_often(seed: int, rater: str, count: int) -> None:
    first = len(Order(IDS[:count], seed).first_candidate_first(rater))
    assert first in (count // 2, (count + 1) // 2)


def test_sides_are_random_for_item_and_rater() -> None:
    raters = [f"rater {number}" for number in range(200)]
    counts = Counter(name for rater in raters for name in Order(IDS).first_candidate_first(rater))
    assert all(60 < counts[name] < 140 for name in IDS)  # 100 ± 5.6 standard deviations
    assert Order(IDS).first_candidate_first("Ann") != Order(IDS, seed=1).first_candidate_first("Ann")


def test_items_that_are_added_leave_the_order_of_the_others() -> None:
    assert [name for name in Order(IDS).of("Ann") if name in IDS[:20]] == list(Order(IDS[:20]).of("Ann"))


@given(st.integers(1, 5), st.integers(0, 40))
def test_what_is_not_shared_goes_to_one_rater_each(raters: int, overlap: int) -> None:
    names = tuple(f"rater {number}" for number in range(raters))
    order = Order(IDS, 3, names, overlap)
    dealt = [order.of(name) for name in names]
    counts = Counter(item for items in dealt for item in items)
    assert set(counts) == set(IDS)
    assert sorted(counts.values()) == sorted([1] * (40 - overlap) + [raters] * overlap)
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


@pytest.mark.parametrize(
    ("raters", "overlap", "message"),
    [((), 3, r"name them \(--raters\)"), (("Ann",), 41, "expected 0 to 40"), (("Ann",), -1, "expected 0 to 40")],
)
def test_an_overlap_that_cannot_be_dealt_is_refused(raters: tuple[str, ...], overlap: int, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Order(IDS, 0, raters, overlap)
