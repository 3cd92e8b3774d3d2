"""Denoising: what is hidden, in which proportions, and that a model learns to put it back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from scipy.stats import chisquare

from pytest_llm.errors import MisuseError
from pytest_llm.pretraining.batch import Batch, accuracy, total_loss
from pytest_llm.pretraining.denoising import DenoisingObjective, _division
from pytest_llm.pretraining.stream import Stream
from pytest_llm.pretraining.trainer import Recipe, Trainer
from pytest_llm.transformer.architectures import Seq2SeqLM
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.fresh import fresh
from tests.pretraining.texts import novels, page

MASK, START, END = 2048, 2049, 2050


def denoising(**settings: Any) -> DenoisingObjective:
    usual = {"rows": 8, "length": 40, "mask_token": MASK, "start_token": START, "end_token": END}
    return DenoisingObjective(novels(), **{**usual, **settings})


def test_the_target_is_the_text_and_the_source_has_masks_for_spans() -> None:
    batch = denoising()(0)
    source, target, wanted = batch.inputs["source"], batch.inputs["target"], batch.targets
    assert (target[:, 0] == START).all()
    assert torch.equal(target[:, 1:], wanted[:, :-1])
    assert (wanted[:, -1] == END).all()
    assert source.shape == (8, 40 - 12 + 4 + 1)  # 12 tokens in 4 spans, and the end
    assert (source[:, -1] == END).all()
    for row, whole in zip(source[:, :-1].tolist(), wanted[:, :-1].tolist(), strict=True):
        assert row.count(MASK) == 4
        assert row[0] == whole[0]
        assert all(MASK not in pair or pair[0] != pair[1] for pair in pairwise(row))
        rest = iter(whole)
        assert all(token in rest for token in row if token != MASK)  # in their order


def test_a_batch_is_a_function_of_its_number() -> None:
    first, again, other = (denoising()(number) for number in (3, 3, 4))
    assert torch.equal(first.inputs["source"], again.inputs["source"])
    assert not torch.equal(first.inputs["source"], other.inputs["source"])


def test_all_divisions_are_equally_probable() -> None:
    generator = torch.Generator().manual_seed(0)
    found = Counter(tuple(_division(5, 3, generator)) for _ in range(1200))
    assert set(found) == {(1, 1, 3), (1, 3, 1), (3, 1, 1), (1, 2, 2), (2, 1, 2), (2, 2, 1)}
    assert chisquare(list(found.values())).pvalue > 0.01
    assert _division(4, 1, generator) == [4]
    assert _division(3, 3, generator) == [1, 1, 1]


@pytest.mark.parametrize(
    "settings", [{"share": 0.0}, {"share": 1.0}, {"mean_span": 0.5}, {"share": 0.8, "mean_span": 1.0}]
)
def test_impossible_spans_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(MisuseError, match="and a token between any two"):
        denoising(**settings)


def test_an_encoder_decoder_learns_to_fill_gaps() -> None:
    """In a language where a token follows from its neighbours, as in 3, 6, 9, 12: what is hidden can be told."""
    config = Config(vocabulary=23, width=32, layers=1, heads=4, max_length=64)
    model = fresh(Seq2SeqLM, config)
    counting = Stream(torch.arange(600) * 3 % 20, torch.arange(600))
    objective = DenoisingObjective(counting, 8, 12, mask_token=20, start_token=21, end_token=22)
    before = accuracy(model, objective(10**6))
    list(Trainer(model, objective, Recipe(steps=200, learning_rate=1e-2, warm_up=10)).run())
    assert before < 0.3
    assert accuracy(model, objective(10**6)) > 0.9
    # the first token can only be read from the source
    first = objective(10**6).targets[:, 0]
    with torch.inference_mode():
        assert float((model(**objective(10**6).inputs)[:, 0].argmax(dim=-1) == first).double().mean()) > 0.8


def test_an_encoder_decoder_learns_a_page_and_to_look_at_its_source() -> None:
    """From nothing, prose, with gaps that it was not shown; given what is left of another stretch it is lost."""
    stream, vocabulary, entropy = page()
    model = fresh(Seq2SeqLM, Config(vocabulary=vocabulary + 3, width=64, layers=1, heads=4, max_length=64))
    mask, start, end = range(vocabulary, vocabulary + 3)
    objective = DenoisingObjective(stream, 8, 24, mask, start, end)
    list(Trainer(model, objective, Recipe(steps=120, learning_rate=1e-2, warm_up=10)).run())
    unseen = replace(objective, rows=32, seed=1)(0)
    foreign = Batch({**unseen.inputs, "source": unseen.inputs["source"].roll(1, dims=0)}, unseen.targets)
    with torch.inference_mode():
        own, other = (float(total_loss(model, batch)) / batch.predicted for batch in (unseen, foreign))
    assert own < entropy / 3
    assert other > 1.5 * own
