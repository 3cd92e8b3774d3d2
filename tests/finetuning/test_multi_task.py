"""Rates by their formula, what is drawn by the rates, each task in its own order; one model that learns two tasks."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm import Classify, MisuseError, assert_finetuning_improves
from pytest_llm.finetuning.epochs import Epochs, Item
from pytest_llm.finetuning.multi_task import MultiTask, mixing_rates
from pytest_llm.finetuning.supervision import supervision
from pytest_llm.finetuning.tuning import finetune
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.pretraining.trainer import Recipe
from tests.finetuning.corpora import split


def numbered(count: int, first: int) -> Epochs:
    return Epochs([Item({"input_ids": (first + n,)}, first + n) for n in range(count)], rows=2)


TASKS = {"large": numbered(64, 1000), "small": numbered(4, 0)}


def test_rates_are_those_of_t5_and_mt5() -> None:
    """T5 with T = 2 and a limit; mT5's α = 0.3 is T = 1/0.3. By hand, in float64."""
    assert mixing_rates([64, 4], 2) == pytest.approx([8 / 10, 2 / 10])
    assert mixing_rates([64, 4], 1) == pytest.approx([64 / 68, 4 / 68])
    assert mixing_rates([64, 4], 1, limit=16) == pytest.approx([16 / 20, 4 / 20])
    assert mixing_rates([1000, 10], 1 / 0.3) == pytest.approx([1000**0.3 / (1000**0.3 + 10**0.3), 1 / (1 + 100**0.3)])
    assert mixing_rates([64, 4], math.inf) == [0.5, 0.5]


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=8), st.floats(1, 100), st.floats(1, 100))
def test_rates_sum_to_1_and_a_higher_temperature_evens_them_out(sizes: list[int], one: float, other: float) -> None:
    cool, warm = sorted((one, other))
    assert sum(mixing_rates(sizes, cool)) == pytest.approx(1)
    spread = [max(rates) / min(rates) for rates in (mixing_rates(sizes, cool), mixing_rates(sizes, warm))]
    assert spread[1] <= spread[0] * (1 + 1e-9)


@pytest.mark.parametrize(
    ("sizes", "temperature", "limit"),
    [([], 1, None), ([3, 0], 1, None), ([3], 0.5, None), ([3], math.nan, None), ([3], 1, 0)],
)
def test_rates_of_nothing_are_refused(sizes: list[int], temperature: float, limit: int | None) -> None:
    with pytest.raises(MisuseError, match="expected at least one example each"):
        mixing_rates(sizes, temperature, limit)


def test_batches_are_drawn_at_these_rates_and_are_the_same_each_time() -> None:
    mixture = MultiTask(TASKS, temperature=2)
    counts = Counter(mixture.task_at(number) for number in range(0, 2000, 2))
    assert mixture.rates == pytest.approx({"large": 0.8, "small": 0.2})
    assert counts["small"] == pytest.approx(200, abs=3 * math.sqrt(1000 * 0.2 * 0.8))
    assert torch.equal(mixture(1500).targets, MultiTask(TASKS, temperature=2)(1500).targets)
    assert [MultiTask(TASKS, seed=1).task_at(n) for n in range(9)] != [mixture.task_at(n) for n in range(9)]


def test_each_task_goes_through_its_own_examples_in_order() -> None:
    mixture = MultiTask(TASKS, temperature=2)
    seen: dict[str, list[int]] = {"large": [], "small": []}
    for number in range(30):
        seen[mixture.task_at(number)].extend(mixture(number).targets.tolist())
    for name, of_task in seen.items():
        expected = [label for number in range(len(of_task) // 2) for label in TASKS[name](number).targets.tolist()]
        assert of_task == expected


def test_one_model_learns_two_tasks(tiny: TransformersModel) -> None:
    """Each asked in words of its own; of each the pages that are held out."""
    western = {"de": "German", "en": "English", "es": "Spanish", "fr": "French"}
    other = {"cs": "Czech", "nl": "Dutch", "sv": "Swedish"}
    asked = {"western": Classify(western, "{text}\nLanguage:"), "other": Classify(other, "{text}\nSpoken:")}
    rows = {name: split("languages", list(task.words or ()), words=8) for name, task in asked.items()}
    mixture = MultiTask({name: supervision(tiny, rows[name][0], task, rows=8) for name, task in asked.items()})
    tuned = finetune(tiny, mixture, Recipe(steps=50, learning_rate=5e-4))
    for name, task in asked.items():
        assert_finetuning_improves(tiny, tuned.model, rows[name][1], "accuracy", task=task)
