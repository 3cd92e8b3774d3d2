"""How batches are built: from which tokens, in which proportions, always the same."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy.stats import binomtest
from torch import nn

from pytest_llm.errors import MisuseError
from pytest_llm.pretraining.batch import IGNORED, Batch, accuracy, total_loss
from pytest_llm.pretraining.causal import CausalObjective
from pytest_llm.pretraining.masked import MaskedObjective
from pytest_llm.pretraining.stream import Stream, stream_of
from tests.pretraining.texts import novels, tokenizer

MASK = 2048
TEXTS = ["It is a truth universally acknowledged", "Catherine!"]


def masked(**settings: Any) -> MaskedObjective:
    usual = {"rows": 16, "length": 100, "mask_token": MASK, "vocabulary": 2048, "special": frozenset({0})}
    return MaskedObjective(novels(), **{**usual, **settings})


def test_a_stream_is_all_texts_behind_each_other() -> None:
    own = tokenizer()
    stream = stream_of(own, TEXTS, separator=0)
    first, second = own(TEXTS)["input_ids"]
    assert stream.tokens.tolist() == [0, *first, 0, *second]
    lengths = torch.bincount(stream.words).tolist()  # of words in tokens, in order
    found, begin = [], 0
    for length in lengths:
        found.append(own.decode(stream.tokens[begin : begin + length]))
        begin += length
    assert found == [
        "<|endoftext|>",
        *["It", " is", " a", " truth", " universally", " acknowledged"],
        "<|endoftext|>",
        "Catherine",
        "!",
    ]


def test_rows_come_from_everywhere_and_are_no_longer_than_the_text() -> None:
    stream = Stream(torch.arange(6), torch.arange(6))
    rows, _ = stream.rows(200, 4, torch.Generator().manual_seed(0))
    assert sorted({tuple(row) for row in rows.tolist()}) == [(0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5)]
    with pytest.raises(MisuseError, match="6 tokens, fewer than one row of 7"):
        stream.rows(1, 7, torch.Generator())
    with pytest.raises(MisuseError, match="no texts"):
        stream_of(tokenizer(), [], separator=None)


def test_a_causal_model_predicts_the_token_after_each() -> None:
    batch = CausalObjective(novels(), rows=3, length=20)(0)
    assert batch.inputs["tokens"].shape == batch.targets.shape == (3, 20)
    assert torch.equal(batch.inputs["tokens"][:, 1:], batch.targets[:, :-1])
    text = novels().tokens.tolist()
    row = [*batch.inputs["tokens"][0].tolist(), int(batch.targets[0, -1])]
    assert any(text[place : place + 21] == row for place in range(len(text) - 20))


@pytest.mark.parametrize("objective", [CausalObjective(novels(), rows=2, length=30), masked(rows=2)])
def test_a_batch_is_a_function_of_its_number(objective: Any) -> None:
    def content(number: int) -> list[Any]:
        batch = objective(number)
        return [batch.inputs["tokens"].tolist(), batch.targets.tolist()]

    torch.manual_seed(5)
    first = content(3)
    torch.manual_seed(6)
    assert content(3) == first != content(4)


@pytest.mark.parametrize("whole_words", [False, True])
def test_fifteen_in_a_hundred_are_predicted_and_of_these_eighty_are_masked(whole_words: bool) -> None:
    objective = masked(rows=64, whole_words=whole_words)
    batch = objective(0)
    shown, targets = batch.inputs["tokens"], batch.targets
    chosen = targets != IGNORED
    ordinary = int(torch.where(chosen, targets, shown).ne(0).sum())
    if whole_words:
        assert 0.15 <= batch.predicted / ordinary < 0.17  # the last word of a row is taken as a whole
    else:
        assert batch.predicted / ordinary == pytest.approx(0.15, abs=0.002)
    assert not (targets[chosen] == 0).any()
    assert (shown[~chosen] != MASK).all()
    counts = {
        0.8: int((shown[chosen] == MASK).sum()),
        0.1: int((shown[chosen] == targets[chosen]).sum()),
    }
    for share, count in counts.items():
        assert binomtest(count, batch.predicted, share).pvalue > 0.01
    drawn = shown[chosen & (shown != MASK) & (shown != targets)]
    assert not (drawn == 0).any()
    assert len(torch.unique(drawn)) > 0.8 * len(drawn)  # of 2 048 tokens, about alike


def test_whole_words_are_hidden_as_a_whole() -> None:
    objective = masked(rows=8, whole_words=True)
    tokens, words = objective.stream.rows(8, 100, torch.Generator().manual_seed(1))
    chosen = objective._chosen(tokens, words, torch.Generator().manual_seed(2))
    several = 0
    for row in range(8):
        for word in torch.unique(words[row]):
            of_word = chosen[row][words[row] == word]
            assert of_word.all() or not of_word.any()
            several += len(of_word) > 1 and bool(of_word.all())
    assert several > 5


def test_at_least_one_token_of_a_row_is_predicted() -> None:
    batch = masked(length=2, share=0.01)(0)
    assert ((batch.targets != IGNORED).sum(dim=1) >= 1).all()


class Sure(nn.Module):
    """Gives token 2 a logit of log 6 at every place, the other three 0: probability 2/3, and 1/9 each."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0.0, 0.0, math.log(6), 0.0]).expand(*tokens.shape, 4)


def test_loss_and_accuracy_count_the_targets_alone() -> None:
    batch = Batch({"tokens": torch.zeros(2, 2, dtype=torch.long)}, torch.tensor([[2, IGNORED], [1, 2]]))
    assert batch.predicted == 3
    assert float(total_loss(Sure(), batch)) == pytest.approx(-2 * math.log(2 / 3) - math.log(1 / 9), rel=1e-6)
    assert accuracy(Sure(), batch) == pytest.approx(2 / 3)
    nothing = Batch(batch.inputs, torch.full((2, 2), IGNORED))
    for question in (total_loss, accuracy):
        with pytest.raises(MisuseError, match="a batch has no targets"):
            question(Sure(), nothing)


@pytest.mark.parametrize("settings", [{"share": 0.0}, {"masked": 0.9, "replaced": 0.2}, {"vocabulary": 1}])
def test_impossible_shares_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(MisuseError, match=r"expected shares of 1|none is left to be drawn"):
        masked(**settings)
