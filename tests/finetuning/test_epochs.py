"""Batches of examples: each once an epoch, the same whenever they are asked for, padded where nothing is learned."""

from __future__ import annotations

import pytest
import torch

from pytest_llm import MisuseError
from pytest_llm.finetuning.epochs import Epochs, Item, collated
from pytest_llm.pretraining.batch import IGNORED

ITEMS = [Item({"input_ids": (number,) * (1 + number % 3)}, number) for number in range(1, 8)]


def test_each_example_comes_once_an_epoch_in_another_order() -> None:
    objective = Epochs(ITEMS, rows=2, seed=3)
    labels = [label for number in range(7) for label in objective(number).targets.tolist()]
    first, second = labels[:7], labels[7:]
    assert sorted(first) == sorted(second) == list(range(1, 8))
    assert first != second


def test_a_batch_is_the_same_whenever_it_is_asked_for() -> None:
    batch, again = Epochs(ITEMS, rows=4)(5), Epochs(ITEMS, rows=4)(5)
    assert torch.equal(batch.inputs["input_ids"], again.inputs["input_ids"])
    assert not torch.equal(Epochs(ITEMS, rows=4, seed=1)(5).targets, batch.targets)


def test_padding_is_masked_and_has_no_target() -> None:
    batch = collated([Item({"input_ids": (5, 6, 7)}, (IGNORED, 7, 8)), Item({"input_ids": (9,)}, (4,))])
    assert batch.inputs["input_ids"].tolist() == [[5, 6, 7], [9, 0, 0]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.targets.tolist() == [[IGNORED, 7, 8], [4, IGNORED, IGNORED]]
    assert batch.predicted == 3


@pytest.mark.parametrize(("items", "rows"), [([], 4), (ITEMS, 0)])
def test_no_examples_are_an_error(items: list[Item], rows: int) -> None:
    with pytest.raises(MisuseError, match="expected at least one of each"):
        Epochs(items, rows)
