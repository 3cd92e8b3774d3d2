"""Sequences as a tree: nothing is lost, doubled or out of place, however much they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_llm.models.prefix_tree import LEAST_SHARED, Tokens, Tree, common_length, grow, plan_packs

# stretches of two tokens, put together from a few blocks: many begin alike, end inside each other, or are equal
blocks = st.sampled_from([(0,) * 5, (1,) * 9, (0, 1) * 8, (1, 0, 0), (0,), (1,) * 30])
sequences = st.lists(
    st.lists(blocks, min_size=1, max_size=6).map(lambda parts: tuple(token for part in parts for token in part)),
    max_size=14,
)
steps = st.one_of(st.none(), st.integers(1, 40))


def spelled(tree: Tree, route: Sequence[int]) -> Tokens:
    return tuple(token for index in route for token in tree.segments[index].tokens)


@given(sequences, steps)
def test_each_sequence_is_what_its_route_spells(given_sequences: list[Tokens], step: int | None) -> None:
    tree = grow(given_sequences, longest_segment=step)
    assert [spelled(tree, route) for route in tree.routes] == given_sequences


@given(sequences, steps)
def test_a_segment_knows_what_stands_before_it(given_sequences: list[Tokens], step: int | None) -> None:
    tree = grow(given_sequences, longest_segment=step)
    for index, segment in enumerate(tree.segments):
        assert segment.tokens
        assert segment.start == len(spelled(tree, segment.path))
        assert list(segment.path) == sorted(segment.path)
        assert all(before < index for before in segment.path)
    for route in tree.routes:
        for place, index in enumerate(route):
            assert tree.segments[index].path == route[:place]


@given(sequences, steps)
def test_every_segment_is_on_some_route(given_sequences: list[Tokens], step: int | None) -> None:
    tree = grow(given_sequences, longest_segment=step)
    assert {index for route in tree.routes for index in route} == set(range(len(tree.segments)))


@given(sequences, st.integers(1, 40))
def test_no_segment_is_longer_than_asked(given_sequences: list[Tokens], step: int) -> None:
    assert all(len(segment.tokens) <= step for segment in grow(given_sequences, longest_segment=step).segments)


def test_equal_sequences_are_read_once() -> None:
    one, other = (1,) * 20, (1,) * 20 + (2,) * 10
    tree = grow([one, other, one, other, one])
    assert [segment.tokens for segment in tree.segments] == [one, (2,) * 10]
    assert tree.routes == [(0,), (0, 1), (0,), (0, 1), (0,)]


@given(sequences)
def test_a_common_beginning_worth_a_call_is_read_once(given_sequences: list[Tokens]) -> None:
    tree = grow(given_sequences)
    for left, left_route in zip(given_sequences, tree.routes, strict=True):
        for right, right_route in zip(given_sequences, tree.routes, strict=True):
            together = len(spelled(tree, [i for i, j in zip(left_route, right_route, strict=False) if i == j]))
            # a shorter rest stays unshared where a branch ends
            assert common_length(left, right) - together < LEAST_SHARED


def test_a_shared_question_stands_before_its_answers() -> None:
    question, answers = tuple(range(20)), [(100,) * 3, (101,), (102,) * 2]
    tree = grow([question + answer for answer in answers])
    assert tree.segments[0].tokens == question
    assert sorted(segment.tokens for segment in tree.segments[1:]) == sorted(answers)
    assert {segment.path for segment in tree.segments[1:]} == {(0,)}


def test_a_beginning_too_short_to_be_worth_it_is_not_shared() -> None:
    short = tuple(range(LEAST_SHARED - 1))
    assert len(grow([(*short, 50), (*short, 60)]).segments) == 2
    assert len(grow([(*short, 7, 50), (*short, 7, 60)]).segments) == 3


def test_where_nothing_is_shared_the_longest_comes_first() -> None:
    tree = grow([(token,) * length for token, length in enumerate([3, 40, 1, 17, 40])])
    assert [len(segment.tokens) for segment in tree.segments] == [40, 40, 17, 3, 1]


@pytest.mark.parametrize("step", [None, 20])
def test_thousands_of_nested_beginnings_are_no_recursion(step: int | None) -> None:
    turns = 1500
    dialogue = tuple(range(turns * LEAST_SHARED))
    tree = grow([dialogue[: LEAST_SHARED * turn] for turn in range(1, turns + 1)], longest_segment=step)
    assert len(tree.segments) == turns
    assert sum(len(segment.tokens) for segment in tree.segments) == len(dialogue)
    assert max(len(segment.path) for segment in tree.segments) == turns - 1


def test_no_sequences_grow_no_tree() -> None:
    assert grow([]) == Tree([], [])
    assert plan_packs([], 8) == []


@given(sequences, steps, st.integers(1, 120))
def test_every_segment_is_read_in_one_pack_in_order(
    given_sequences: list[Tokens], step: int | None, tokens: int
) -> None:
    tree = grow(given_sequences, longest_segment=step)
    packs = plan_packs(tree.segments, tokens)
    assert [index for pack in packs for index in pack.segments] == list(range(len(tree.segments)))
    for pack in packs:
        assert len(pack.segments) == 1 or sum(len(tree.segments[i].tokens) for i in pack.segments) <= tokens


@given(sequences, steps, st.integers(1, 120))
@example([(0,) * 30 + (1,) * 30, (0,) * 30 + (2,) * 30, (0,) * 60], None, 40)
def test_what_a_pack_builds_on_is_in_it_or_carried_from_the_one_before(
    given_sequences: list[Tokens], step: int | None, tokens: int
) -> None:
    tree = grow(given_sequences, longest_segment=step)
    available: set[int] = set()
    for pack in plan_packs(tree.segments, tokens):
        assert set(pack.carried) <= available
        available = {*pack.carried, *pack.segments}
        assert not set(pack.carried) & set(pack.segments)
        assert all(set(tree.segments[index].path) <= available for index in pack.segments)


@given(sequences, steps, st.integers(1, 120))
def test_no_more_than_one_sequence_is_carried(given_sequences: list[Tokens], step: int | None, tokens: int) -> None:
    tree = grow(given_sequences, longest_segment=step)
    for pack in plan_packs(tree.segments, tokens):
        assert any(set(pack.carried) <= set(route) for route in tree.routes)


@given(sequences)
def test_a_pack_is_as_full_as_order_allows(given_sequences: list[Tokens]) -> None:
    tree = grow(given_sequences)
    packs = plan_packs(tree.segments, 64)
    for pack, following in pairwise(packs):
        read = sum(len(tree.segments[index].tokens) for index in pack.segments)
        assert read + len(tree.segments[following.segments[0]].tokens) > 64


tokens = st.lists(st.integers(0, 1), max_size=40).map(tuple)


@given(tokens, tokens, tokens)
def test_common_length_is_that_of_the_longest_common_beginning(left: Tokens, right: Tokens, common: Tokens) -> None:
    left, right = common + left, common + right
    length = common_length(left, right)
    assert length == common_length(right, left) >= len(common)
    assert left[:length] == right[:length]
    assert length in (len(left), len(right)) or left[length] != right[length]
