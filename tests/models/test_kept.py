"""Models given by name are loaded once, and let go when the next does not fit; sizes and memory are made up here."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Hashable, Iterator
from pathlib import Path

import pytest
import torch

from pytest_llm import measure
from pytest_llm.models.kept import Loading, Shelf, keeping
from pytest_llm.models.loading import as_language_model, load_model

SIZES = {"small": 10, "medium": 30, "large": 60}


@pytest.fixture(autouse=True, scope="module")
def quick_collections() -> Iterator[None]:
    """What other tests left is not looked through each time that garbage is collected."""
    gc.freeze()
    yield
    gc.unfreeze()


class Model:
    def __init__(self, name: str) -> None:
        self.name = name
        self.state = 0

    def fingerprint(self) -> int | None:
        return self.state


class Machine:
    """Has so much memory, and knows what stands in it."""

    def __init__(self, memory: int, most: int | None = None, *, known: bool = True) -> None:
        self.memory = memory
        self.loads: list[str] = []
        self.living: list[weakref.ref[Model]] = []
        self.version: dict[str, Hashable] = {}
        self.fails: list[BaseException] = []
        self.shelf = Shelf(
            most,
            Loading(
                self.load,
                self.version.get,
                lambda name: SIZES[name] if known else None,
                lambda model: SIZES[model.name],
                lambda: memory - sum(SIZES[one.name] for one in self.alive()),
            ),
        )

    def alive(self) -> list[Model]:
        return [model for reference in self.living if (model := reference()) is not None]

    def load(self, name: str) -> Model:
        self.loads.append(name)
        if self.fails:
            raise self.fails.pop()
        model = Model(name)
        self.living.append(weakref.ref(model))
        return model


def ask(machine: Machine, *names: str) -> list[str]:
    for name in names:
        assert machine.shelf.model(name).name == name
    return machine.shelf.names


def test_each_is_loaded_once() -> None:
    machine = Machine(1000)
    assert ask(machine, "small", "medium", "small", "medium") == ["small", "medium"]
    assert machine.loads == ["small", "medium"]


def test_the_one_unused_for_longest_makes_room() -> None:
    machine = Machine(160)
    assert ask(machine, "small", "medium", "small") == ["medium", "small"]
    assert ask(machine, "large") == ["medium", "small", "large"]  # 120 are free, half of that is enough
    assert ask(Machine(150), "small", "medium", "small", "large") == ["small", "large"]  # 110 are not, 140 are
    assert ask(Machine(100), "small", "medium", "small", "large") == ["large"]  # it is tried with nothing else there


def test_what_is_let_go_is_gone() -> None:
    machine = Machine(100)
    ask(machine, "small", "medium", "large")
    gc.collect()
    assert [model.name for model in machine.alive()] == ["large"]
    machine.shelf.clear()
    assert machine.alive() == []


def test_no_more_is_kept_than_was_said() -> None:
    assert ask(Machine(1000, most=45), "small", "medium", "small") == ["medium", "small"]
    assert ask(Machine(1000, most=35), "small", "medium") == ["medium"]
    assert ask(Machine(1000, most=35), "small", "large") == []
    machine = Machine(1000, most=0)
    assert ask(machine, "small", "small") == []
    assert machine.loads == ["small", "small"]


def test_what_nobody_knows_the_size_of_is_taken_for_the_largest() -> None:
    assert ask(Machine(90, known=False), "small", "medium", "large") == ["medium", "large"]


def test_what_has_changed_is_loaded_anew() -> None:
    machine = Machine(1000)
    first = machine.shelf.model("small")
    first.state = 1
    assert machine.shelf.model("small") is not first
    machine.version["small"] = "written again"
    machine.shelf.model("small")
    assert machine.loads == ["small"] * 3


def test_memory_that_runs_out_lets_all_go_and_tries_once_more() -> None:
    machine = Machine(1000)
    ask(machine, "small", "medium")
    machine.fails = [torch.OutOfMemoryError("CUDA out of memory")]
    assert ask(machine, "large") == ["large"]
    machine.fails = [torch.OutOfMemoryError("CUDA out of memory")] * 2
    with pytest.raises(torch.OutOfMemoryError):
        machine.shelf.model("small")
    machine.fails = [ValueError("damaged")]
    with pytest.raises(ValueError, match="damaged"):
        machine.shelf.model("small")


def test_assertions_share_a_model_that_they_are_given_by_name() -> None:
    with keeping(None) as shelf:
        model = as_language_model("tiny-decoder")
        assert as_language_model(Path("tiny-decoder")) is model
        value = measure("tiny-decoder", ["Some text."], "perplexity").value
        assert load_model("tiny-decoder") is not model  # it belongs to who asked
        with torch.no_grad():
            model.module.get_output_embeddings().weight.mul_(0.5)  # type: ignore[union-attr]
        assert measure("tiny-decoder", ["Some text."], "perplexity").value == value
        assert shelf.names == ["tiny-decoder"]
    assert shelf.names == []
    with keeping(1000):
        assert as_language_model("tiny-decoder") is not as_language_model("tiny-decoder")
