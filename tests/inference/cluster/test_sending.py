"""What is sent is what arrives: models bit for bit, errors as they were raised."""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from pytest_llm.data.example import Example, StoredExample
from pytest_llm.errors import MisuseError
from pytest_llm.inference.cluster.sending import (
    Sent,
    joined,
    packed_items,
    packed_model,
    packed_result,
    packed_work,
    separate,
    unpacked_items,
    unpacked_model,
    unpacked_result,
    unpacked_work,
)
from pytest_llm.models.origin import placeless_key
from pytest_llm.models.transformers_model import TransformersModel
from tests.stub_models import UniformModel


def test_a_model_arrives_as_it_was_its_weights_beside_it(tiny: TransformersModel) -> None:
    sent = packed_model(tiny)
    weights = sum(array.nbytes for array in sent.weights)
    assert weights == sum(
        weight.numel() * weight.element_size() for weight in tiny.module.parameters()
    )  # tied ones once
    assert len(sent.pickled) < weights
    arrived = unpacked_model(sent)
    assert placeless_key(arrived) == placeless_key(tiny) is not None
    assert list(map(list, arrived.score_windows([]))) == []
    texts = ["It is a truth universally acknowledged", "that"]
    assert arrived.encode(texts) == tiny.encode(texts)


def test_weights_are_read_where_they_lie(tiny: TransformersModel) -> None:
    """So that actors of one node share one copy of them."""
    sent = packed_model(tiny)
    arrived = unpacked_model(sent)
    places = {array.ctypes.data for array in sent.weights}
    assert {weight.data_ptr() for weight in arrived.module.parameters()} == places


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int8])
def test_every_type_keeps_its_bits(dtype: torch.dtype) -> None:
    weight = torch.nn.Parameter(torch.arange(-6, 6).reshape(3, 4).to(dtype), requires_grad=False)
    first, second, scalar = unpacked_model(packed_model([weight, weight, torch.nn.Parameter(torch.tensor(1.5))]))
    assert first is second
    assert first.dtype == dtype
    assert not first.requires_grad
    assert torch.equal(first, weight)
    assert scalar.shape == ()
    assert scalar.requires_grad


def test_work_finds_its_models_by_name() -> None:
    here, there = UniformModel(4), UniformModel(16)
    data = packed_work(partial(score, here, other=here), {id(here): "it"})
    assert len(data) < 300
    assert unpacked_work(data, {"it": there})(["ab"]) == (16, 16)


def score(model: UniformModel, texts: list[str], other: UniformModel) -> tuple[float, float]:
    return model.size, other.size


def test_what_cannot_be_sent_is_refused() -> None:
    model = UniformModel()
    model.size = lambda: 8  # type: ignore[assignment]
    with pytest.raises(MisuseError, match="UniformModel cannot be sent to the actors of a cluster"):
        packed_model(model)
    with pytest.raises(MisuseError, match="the question cannot be sent"):
        packed_work(lambda: None, {})


def test_a_class_that_is_not_installed_there_is_told_where_it_belongs() -> None:
    sent = Sent(pickle.dumps(UniformModel()).replace(b"tests.stub_models", b"tests.stub_madels"), [])
    with pytest.raises(MisuseError, match="define it in a module that is installed on all nodes, not in a test file"):
        unpacked_model(sent)


class Unreadable(Exception):
    """Can be written down, and not read."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one)


@pytest.mark.parametrize(
    ("error", "arrives"),
    [
        (MisuseError("no such text"), MisuseError("no such text")),
        (ZeroDivisionError("by zero"), ZeroDivisionError("by zero")),
        (Unreadable(1, 2), RuntimeError("Unreadable: 1")),
    ],
)
def test_an_error_arrives_as_it_is_or_in_words(error: Exception, arrives: Exception) -> None:
    def fail() -> Any:
        raise error

    with pytest.raises(type(arrives)) as caught:
        unpacked_result(packed_result(fail))
    assert str(caught.value) == str(arrives)
    if not isinstance(error, MisuseError):
        assert "in fail" in str(caught.value.__cause__)  # where it was raised there


NUMBERS = [np.array([-1.5, -2.5]), np.array([]), np.array([-0.0, float("nan")])]
HALF = np.array([-1.5], dtype=np.float16)
TABLE = np.array([[-1.5]])


@pytest.mark.parametrize(
    ("answers", "is_joined"),
    [
        (NUMBERS, True),
        ([HALF], True),
        ([NUMBERS[0], HALF], False),
        ([TABLE, TABLE], False),
        ([NUMBERS[0], None], False),
        (["a text", {"a": 0.5}], False),
        ([], False),
    ],
)
def test_answers_arrive_bit_for_bit_whatever_they_are(answers: list[Any], is_joined: bool) -> None:
    sent = joined(answers)
    assert isinstance(sent, list) is not is_joined
    found = separate(unpacked_result(packed_result(lambda: sent)))
    assert [type(one) for one in found] == [type(one) for one in answers]
    for one, other in zip(found, answers, strict=True):
        if not isinstance(other, np.ndarray):
            assert one == other
            continue
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def test_examples_arrive_with_all_that_they_hold() -> None:
    row = {"text": "a text", "choices": ["a", "b"]}
    items = [
        Example("1", "a text", "#0", "book", ("b",), row),
        StoredExample("2", "be", "#1", content="hash", target=1),
    ]
    found = unpacked_items(packed_items(items))
    assert found == items
    assert list(map(type, found)) == [Example, StoredExample]
    assert [one.row for one in found] == [row, {}]
