"""Attention over a row of segments: what each token would see if its sequence stood alone."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm.models import tree_attention
from pytest_llm.models.prefix_tree import Pack, Segment, Tokens, grow, plan_packs
from pytest_llm.models.tree_attention import KeysAndValues, TreeAttention, key_places, plan_calls
from pytest_llm.models.varlen_attention import written_out

VOCABULARY, KEY_HEADS, WIDTH, LAYERS = 4, 2, 3, 2

blocks = st.sampled_from([(0,) * 9, (1,) * 9, (0, 1) * 10, (1, 2, 0), (3,), (2,) * 35])
trees = st.lists(
    st.lists(blocks, min_size=1, max_size=5).map(lambda parts: tuple(token for part in parts for token in part)),
    min_size=1,
    max_size=9,
)


def states(tokens: Tokens, start: int, layer: int, heads: int, part: int) -> torch.Tensor:
    """Queries, keys or values `[1, heads, rows, width]` that are a function of a token and its position alone."""
    numbers = torch.tensor(tokens, dtype=torch.float64)[None, :, None]
    places = torch.arange(start, start + len(tokens), dtype=torch.float64)[None, :, None]
    head = torch.arange(heads, dtype=torch.float64)[:, None, None]
    width = torch.arange(WIDTH, dtype=torch.float64)[None, None]
    return torch.sin(3.1 * numbers + 1.7 * places * (width + 1) + 0.9 * head + 5 * part + 2 * layer)[None]


def alone(tokens: Tokens, layer: int, groups: int, scaling: float) -> torch.Tensor:
    """Causal attention of one sequence, written out: `[heads, rows, width]`."""
    query = states(tokens, 0, layer, KEY_HEADS * groups, 0)[0]
    key, value = (states(tokens, 0, layer, KEY_HEADS, part)[0].repeat_interleave(groups, 0) for part in (1, 2))
    weights = (query @ key.transpose(1, 2)) * scaling
    later = torch.ones(len(tokens), len(tokens)).triu(1).bool()
    return torch.softmax(weights.masked_fill(later, float("-inf")), dim=2) @ value


@settings(max_examples=60, deadline=None)
@given(
    sequences=trees,
    budget=st.integers(1, 150),
    step=st.one_of(st.none(), st.integers(1, 30)),
    groups=st.integers(1, 3),
    per_call=st.sampled_from([1, 12, 128]),
    per_mask=st.sampled_from([1, 7, 512]),
    in_one_kernel=st.booleans(),
)
def test_each_token_sees_its_own_sequence_up_to_itself(
    sequences: list[Tokens],
    budget: int,
    step: int | None,
    groups: int,
    per_call: int,
    per_mask: int,
    in_one_kernel: bool,
) -> None:
    tree = grow(sequences, longest_segment=step)
    packs = plan_packs(tree.segments, budget)
    attention = TreeAttention(tree.segments)
    found: dict[tuple[int, int], torch.Tensor] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_attention, "_ROWS_PER_CALL", per_call)
        patch.setattr(tree_attention, "_ROWS_PER_MASK", per_mask)
        if in_one_kernel:  # as on a GPU, with the kernel's twin in plain PyTorch
            patch.setattr(tree_attention, "varlen_kernel", lambda query, key: written_out)
        for pack, following in itertools.zip_longest(packs, packs[1:]):
            attention.turn_to(pack, following)
            row = [tree.segments[index] for index in pack.segments]
            for layer in range(LAYERS):
                query, key, value = (
                    torch.cat([states(s.tokens, s.start, layer, heads, part) for s in row], dim=2)
                    for part, heads in enumerate([KEY_HEADS * groups, KEY_HEADS, KEY_HEADS])
                )
                attended = attention(layer, query, key, value, 0.7)[0]
                for index, of_segment in zip(
                    pack.segments, torch.split(attended, [len(s.tokens) for s in row], dim=1), strict=True
                ):
                    found[layer, index] = of_segment
    for sequence, route in zip(sequences, tree.routes, strict=True):
        for layer in range(LAYERS):
            joined = torch.cat([found[layer, index] for index in route], dim=1)
            torch.testing.assert_close(joined, alone(sequence, layer, groups, 0.7), rtol=1e-10, atol=1e-10)


@given(trees, st.integers(1, 150), st.sampled_from([1, 12, 128]), st.sampled_from([1, 7, 512]))
def test_calls_cover_each_row_once_in_order_and_masks_stay_small(
    sequences: list[Tokens], budget: int, per_call: int, per_mask: int
) -> None:
    tree = grow(sequences)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_attention, "_ROWS_PER_CALL", per_call)
        patch.setattr(tree_attention, "_ROWS_PER_MASK", per_mask)
        for pack in plan_packs(tree.segments, budget):
            calls = plan_calls(tree.segments, pack, key_places(tree.segments, pack))
            rows = [row for call in calls for row in range(call.rows.start, call.rows.stop)]
            assert rows == list(range(sum(len(tree.segments[index].tokens) for index in pack.segments)))
            for call in calls:
                keys = sum(stretch.stop - stretch.start for stretch in call.keys)
                if call.see is not None:
                    assert call.see.shape == (call.rows.stop - call.rows.start, keys)
                    assert len(call.see) <= per_mask


def calls_of(sequences: list[Tokens]) -> list[tuple[slice, torch.Tensor | None]]:
    tree = grow(sequences)
    (pack,) = plan_packs(tree.segments, 10**6)
    return [(call.rows, call.see) for call in plan_calls(tree.segments, pack, key_places(tree.segments, pack))]


def test_short_answers_to_one_question_share_a_call() -> None:
    question = (9,) * 50
    calls = calls_of([(*question, answer, answer) for answer in range(4)])
    assert [rows for rows, _ in calls] == [slice(0, 50), slice(50, 58)]
    assert calls[0][1] is None  # a causal call needs no mask
    see = calls[1][1]
    assert see is not None
    assert see[:, :50].all()
    own = see[:, 50:]
    pair = torch.ones(2, 2).tril()
    assert torch.equal(own, torch.kron(torch.eye(4), pair).bool())


def test_answers_to_different_questions_share_no_call() -> None:
    calls = calls_of([(q,) * 50 + (answer,) for q in (8, 9) for answer in range(2)])
    assert [rows.stop - rows.start for rows, _ in calls] == [50, 2, 50, 2]


def test_long_neighbours_share_no_call() -> None:
    calls = calls_of([(token,) * tree_attention._ROWS_PER_CALL for token in range(3)])
    assert [see for _, see in calls] == [None] * 3


def test_keys_that_stand_behind_each_other_are_one_stretch() -> None:
    tree = grow([(7,) * 40, (7,) * 20 + (8,) * 20])
    (pack,) = plan_packs(tree.segments, 10**6)
    calls = plan_calls(tree.segments, pack, key_places(tree.segments, pack))
    assert [len(call.keys) for call in calls] in ([1, 1], [1, 1, 2], [1, 2])
    assert calls[1].keys == (slice(0, 60),) or calls[1].keys == (slice(0, 40),)


def test_keys_and_values_are_heard_with_what_is_carried() -> None:
    segments = [Segment((1,) * 5, 0, ()), Segment((2,) * 3, 5, (0,)), Segment((3,) * 4, 5, (0,))]
    heard: list[int] = []

    def listen(layer: int, keys_and_values: KeysAndValues) -> None:
        heard.append(keys_and_values[0].shape[2])

    packs = plan_packs(segments, 8)
    attention = TreeAttention(segments, listen)
    for pack, following in itertools.zip_longest(packs, packs[1:]):
        places = attention.turn_to(pack, following)
        rows = sum(len(segments[index].tokens) for index in pack.segments)
        part = torch.randn(1, 1, rows, 4)
        attention(0, part, part, part, None)
        assert places[0] == slice(0, 5)
    assert heard == [8, 9]


def test_a_pack_that_carries_nothing_needs_nothing_from_before() -> None:
    segments = [Segment((1,) * 5, 0, ()), Segment((2,) * 5, 0, ())]
    attention = TreeAttention(segments)
    first, second = Pack((), range(1)), Pack((), range(1, 2))
    one, other = ([torch.randn(1, 1, 5, 4) for _ in range(3)] for _ in range(2))
    attention.turn_to(first, second)
    attention(0, one[0], one[1], one[2], None)
    attention.turn_to(second, None)
    expected = torch.nn.functional.scaled_dot_product_attention(other[0], other[1], other[2], is_causal=True)
    torch.testing.assert_close(attention(0, other[0], other[1], other[2], None), expected)
