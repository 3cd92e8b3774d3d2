"""A part of the data: the same examples, whatever their order and whatever is added."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm import MisuseError, measure
from pytest_llm.data.sampling import Sample, drawn, parse_sample, sampling

IDS = [f"chapter-{n}" for n in range(40)]
id_lists = st.lists(st.text(), unique=True, max_size=30)


@given(ids=id_lists, size=st.integers(1, 40), order=st.randoms())
def test_the_same_ids_are_drawn_in_any_order(ids: list[str], size: int, order: object) -> None:
    shuffled = list(ids)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    sample = Sample(size)
    assert {ids[i] for i in sample.places(ids)} == {shuffled[i] for i in sample.places(shuffled)}


@given(ids=id_lists, small=st.integers(1, 30), more=st.integers(0, 10))
def test_a_larger_part_contains_a_smaller_one(ids: list[str], small: int, more: int) -> None:
    assert set(Sample(small).places(ids)) <= set(Sample(small + more).places(ids))
    assert len(Sample(small).places(ids)) == min(small, len(ids))


def test_places_are_in_order_and_spread() -> None:
    places = Sample(10).places(IDS)
    assert places == sorted(places)
    assert places != list(range(10))
    assert places != Sample(10, seed=1).places(IDS)


@pytest.mark.parametrize(
    ("text", "size", "count"), [("7", 7, 7), ("0.25", 0.25, 10), ("10%", 0.1, 4), ("0.1%", 0.001, 1)]
)
def test_counts_and_shares(text: str, size: float, count: int) -> None:
    sample = parse_sample(text)
    assert sample.size == pytest.approx(size)
    assert len(sample.places(IDS)) == count


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "100%", "many", "", "nan", "0%", "1.0"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(MisuseError, match="expected a number of examples such as 50, or a share"):
        parse_sample(text)


def test_nothing_is_left_out_unless_asked() -> None:
    assert drawn(IDS) == list(range(40))


def test_predictions_stay_with_their_targets_and_the_report_says_how_many_were_used() -> None:
    texts = [f"word {n}" for n in range(40)]
    with sampling(Sample(8)):
        measurement = measure(texts, texts, "wer")
    assert measurement.value == 0
    assert measurement.n == 8
    assert measurement.data == "a list given in the test (8 of 40 examples: --llm-limit)"
