"""The divergence from the most probable tokens alone: against formulas in float64, and never more than the full one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm.data.stored_reference import StoredReference
from pytest_llm.errors import MisuseError
from pytest_llm.inference.token_divergence import Rows, compacted, divergence, divergence_from_top, most_probable
from pytest_llm.statistics.jackknife import FloatArray

LAW = settings(deadline=None)
ULP = 2.0**-11
"""Half the distance of two float16 numbers, as a share of them."""


@st.composite
def pairs(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Log-probabilities of a reference and of a model, alike or not at all, peaked or flat, and how many are kept."""
    rows, vocabulary = draw(st.integers(1, 5)), draw(st.integers(2, 300))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    logits = torch.randn(rows, vocabulary, generator=generator) * draw(st.sampled_from([0.0, 0.3, 3.0, 30.0]))
    changed = logits + torch.randn(rows, vocabulary, generator=generator) * draw(st.sampled_from([0.0, 0.01, 1.0]))
    return logits.log_softmax(1), changed.log_softmax(1), draw(st.integers(1, vocabulary))


def stored(base: torch.Tensor, k: int, targets: list[int] | None = None) -> StoredReference:
    top, values, rest, log_prob = compacted(base, targets or [0] * len(base), k)
    return StoredReference("a model", base.shape[1], 0, 16, None, {}, top, values, rest, log_prob)


def from_top(own: torch.Tensor, base: torch.Tensor, k: int, targets: list[int] | None = None) -> Rows:
    everything = slice(0, len(base))
    return divergence_from_top(own, stored(base, k, targets), everything, targets or [0] * len(base))


def by_formula(own: torch.Tensor, base: torch.Tensor, k: int) -> FloatArray:
    """In float64 without any rounding: all tokens but the k most probable ones as one."""
    p, q = base.double().exp().numpy(), own.double().exp().numpy()
    found = []
    for of_base, of_own, top in zip(p, q, stored(base, k).top_tokens, strict=True):
        assert sorted(of_base[top]) == sorted(of_base)[-k:]
        p_all = np.append(of_base[top], np.delete(of_base, top).sum())
        q_all = np.append(of_own[top], np.delete(of_own, top).sum())
        found.append(sum(a * math.log(a / b) for a, b in zip(p_all, q_all, strict=True) if a > 0))
    return np.array(found)


def rounding(own: torch.Tensor, base: torch.Tensor) -> FloatArray:
    """What float16 log-probabilities can change at most: every p by a factor of at most e^d, and p stays a distribution."""
    p, q = base.double(), own.double()
    weights = torch.where(p.exp() > 1e-12, p.abs(), torch.zeros_like(p))  # what is smaller adds nothing
    d = 2 * (weights.amax(dim=1) * ULP + 1e-6)
    linear = torch.expm1(d) * (p.exp() * (p - q).abs()).sum(dim=1)
    return (linear + d**2 / 2 * d.exp() + 1e-5).numpy()


@LAW
@given(pairs())
def test_what_is_kept_never_says_more_than_the_whole(pair: tuple[torch.Tensor, torch.Tensor, int]) -> None:
    base, own, k = pair
    full, *_ = divergence(own, base, [0] * len(base))
    kept, *_ = from_top(own, base, k)
    assert (by_formula(own, base, k) <= full + 1e-5).all()  # the law itself, before float16
    assert (kept <= full + rounding(own, base)).all()
    assert (kept >= -1e-6).all()


@LAW
@given(pairs())
def test_it_is_the_formula_but_for_the_rounding_to_float16(pair: tuple[torch.Tensor, torch.Tensor, int]) -> None:
    base, own, k = pair
    kept, *_ = from_top(own, base, k)
    assert (np.abs(kept - by_formula(own, base, k)) <= rounding(own, base)).all()


@LAW
@given(pairs())
def test_with_the_whole_vocabulary_it_is_the_full_divergence(pair: tuple[torch.Tensor, torch.Tensor, int]) -> None:
    base, own, _ = pair
    full, *_ = divergence(own, base, [0] * len(base))
    kept, *_ = from_top(own, base, base.shape[1])
    assert (np.abs(kept - full) <= rounding(own, base)).all()


@LAW
@given(pairs(), st.integers(0, 10**6))
def test_all_other_numbers_are_those_of_the_whole(pair: tuple[torch.Tensor, torch.Tensor, int], seed: int) -> None:
    base, own, k = pair
    targets = np.random.default_rng(seed).integers(0, base.shape[1], len(base)).tolist()
    _, *full = divergence(own, base, targets)
    _, *kept = from_top(own, base, k, targets)
    for of_full, of_kept in zip(full, kept, strict=True):
        assert of_full.tolist() == of_kept.tolist()


def test_more_tokens_say_more() -> None:
    logits = torch.randn(20, 400, generator=torch.Generator().manual_seed(1))
    other = logits + torch.randn(20, 400, generator=torch.Generator().manual_seed(2))
    found = [from_top(other.log_softmax(1), logits.log_softmax(1), k)[0].mean() for k in (1, 4, 16, 64, 256, 400)]
    assert found == sorted(found)
    assert found[0] < 0.5 * found[-1]


def test_rounding_is_seen_where_everything_else_is_equal() -> None:
    """What float16 leaves of two equal models is positive, and small."""
    base = (3 * torch.randn(50, 1000, generator=torch.Generator().manual_seed(3))).log_softmax(1)
    kept, *_ = from_top(base, base, 1000)
    assert 0 < kept.mean() < 1e-5


@LAW
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_of_equally_probable_tokens_the_first_stands_first(seed: int, k: int) -> None:
    """As `argmax` has it, by which live models are compared."""
    few = torch.randint(0, 3, (6, 12), generator=torch.Generator().manual_seed(seed)).float().log_softmax(1)
    values, tokens = most_probable(few, k)
    assert tokens[:, 0].tolist() == few.argmax(dim=1).tolist()
    assert torch.equal(few.gather(1, tokens), values)
    assert all(len(set(row)) == k for row in tokens.tolist())


def test_tokens_that_the_reference_excludes_do_not_count() -> None:
    base = torch.tensor([[0.5, 0.5, 0.0, 0.0]]).log()
    own = torch.tensor([[0.25, 0.25, 0.25, 0.25]]).log()
    for k in (1, 2, 3, 4):
        expected = 0.5 * math.log(2) + 0.5 * math.log(0.5 / 0.75) if k == 1 else math.log(2)
        assert from_top(own, base, k)[0].tolist() == pytest.approx([expected], abs=1e-3)


def test_a_model_that_excludes_what_the_reference_expects_is_infinitely_far() -> None:
    base = torch.tensor([[0.5, 0.25, 0.25]]).log()
    assert from_top(torch.tensor([[0.0, 0.5, 0.5]]).log(), base, 1)[0].tolist() == [math.inf]
    assert from_top(torch.tensor([[1.0, 0.0, 0.0]]).log(), base, 1)[0].tolist() == [math.inf]


def test_nan_stays_nan() -> None:
    base = torch.tensor([[0.5, 0.25, 0.25]]).log()
    assert math.isnan(from_top(torch.full((1, 3), math.nan), base, 2)[0][0])


def test_a_log_probability_beyond_float16_is_impossible_and_no_warning() -> None:
    base = torch.tensor([[0.0, -1e9, -1e30]]).log_softmax(1)
    _, rounded, _, _ = compacted(base, [0], 3)
    assert rounded.tolist() == [[0.0, -math.inf, -math.inf]]


@pytest.mark.parametrize(("vocabulary", "kind"), [(1 << 16, np.uint16), ((1 << 16) + 1, np.uint32)])
def test_token_ids_take_two_bytes_where_they_can(vocabulary: int, kind: type) -> None:
    base = torch.zeros(1, vocabulary)
    base[0, -1] = 20
    tokens, *_ = compacted(base.log_softmax(1), [0], 2)
    assert tokens.dtype == kind
    assert tokens[0, 0] == vocabulary - 1


def test_another_vocabulary_is_refused() -> None:
    base = torch.zeros(1, 5).log_softmax(1)
    with pytest.raises(MisuseError, match="vocabularies of 6 and 5 entries cannot be compared"):
        divergence_from_top(torch.zeros(1, 6).log_softmax(1), stored(base, 2), slice(0, 1), [0])
